"""Every method found in the folder keeps the contract; no method is named here, and none is excused."""

from __future__ import annotations

import inspect
import io
import math
import re
import zlib
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from rlpipe.params.hyperparameters import Range
from rlpipe.policy.forward import Policy
from rlpipe.recipe import ONE, Recipe, load
from rlpipe.train.agent import Trainer
from rlpipe.train.settings import TrainSettings
from rlpipe.train.step import train_step
from rlpipe.types import Verdict
from rlpipe.verifiers.error_rate import ErrorRate
from tests.contract import CHECKS, METHODS, NAMES, VARIANTS, gradient, same, stack, weighed
from tests.contract_batches import BATCHES
from tests.toy import group, step, tiny_policy, toy_agent, toy_prompt

every_variant = pytest.mark.parametrize("methods", VARIANTS.values(), ids=VARIANTS.keys())
every_method = pytest.mark.parametrize("name", NAMES)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__.removeprefix("check_"))
@pytest.mark.parametrize("kind", BATCHES)
@every_variant
def test_contract(methods, kind, check):
    check(load(methods), BATCHES[kind]())


@every_method
def test_every_number_may_be_a_schedule(name):
    """A schedule that stands still is the number."""
    numbers = [h for h in METHODS[name].hyperparameters.values() if any(isinstance(n, Range) for n in notes(h.type))]
    still = {h.name: {"start": h.default, "end": h.default, "steps": 3} for h in numbers}
    recipe, scheduled = load(stack(name)), load(stack(name, **still))
    same(gradient(scheduled, weighed(scheduled)), gradient(recipe, weighed(recipe)))


def notes(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__metadata__", ())


@every_variant
def test_state_round_trip(methods):
    """What has memory goes on in a fresh recipe where it stopped, through the format of checkpoints."""
    pool, groups = [toy_prompt(f"p{i}") for i in range(7)], [group([1, 0])]
    used = load(methods)
    batch = weighed(used)
    used.curriculum(pool, 3, step())
    used.observe(groups, batch, {})
    file = io.BytesIO()
    torch.save(used.state_dict(), file)
    file.seek(0)
    fresh = load(methods)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert fresh.state_dict() == used.state_dict()
    assert fresh.curriculum(pool, 5, step(1)) == used.curriculum(pool, 5, step(1))
    fresh.observe(groups, batch, {})
    used.observe(groups, batch, {})
    assert fresh.state_dict() == used.state_dict()


@every_variant
def test_rewards_belong_to_their_groups(methods):
    """One reward per rollout, whatever order the groups come in; filters answer yes or no."""
    recipe = load(methods)
    groups = [
        group(scores, [3, 9, 20481], name) for name, scores in (("a", [1, 0, 1]), ("b", [0, 0, 0]), ("c", [1, 1, 0]))
    ]

    def rewarded(some):
        for name, term in recipe.reward_terms.items():
            terms = zip(some, term(some, step()), strict=True)
            some = [replace(g, reward_terms={**g.reward_terms, name: r}) for g, r in terms]
        for part in (recipe.reward, *recipe.reward_shaping):
            rewards = part(some, step())
            some = [replace(g, reward=r) for g, r in zip(some, rewards, strict=True)]
        return rewards

    forwards, backwards = rewarded(groups), rewarded(groups[::-1])[::-1]
    assert [r.shape for r in forwards] == [(3,)] * 3
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    selected = groups
    for select in recipe.selection:
        selected = select(selected, step())
    assert {g.prompt.id for g in selected} <= {"a", "b", "c"}


@every_method
def test_signature(name):
    """Keyword-only and typed, with published values; the docstring gives the source and explains each of them."""
    module = import_module(f"rlpipe.methods.{name}")
    method = getattr(module, name)
    signature = inspect.signature(method, eval_str=True)
    first, *others = signature.parameters.values()
    assert (first.name, first.annotation, signature.return_annotation) == ("recipe", Recipe, Recipe)
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in others)
    documented = method.__doc__
    assert "Source:" in documented
    assert "Differs:" in documented
    explained = " ".join(re.findall(r"([a-z_, ]+):", documented))
    assert [p.name for p in others if not re.search(rf"\b{p.name}\b", explained)] == []
    recipe = load(stack(name))
    logged = [*weighed(recipe).annotations, *recipe.diagnostics]
    assert [n for n in logged if f"`{n}`" not in documented] == [], "what is logged is said under `Logs`"


@every_method
def test_file_is_read_as_it_runs(name):
    """What `rlpipe methods` and the checks of params.yaml read from the file is what the recipe then holds."""
    method, recipe = METHODS[name], load(stack(name))
    parameters = list(inspect.signature(getattr(import_module(f"rlpipe.methods.{name}"), name)).parameters.values())[1:]
    assert {p.name: p.default for p in parameters} == {h.name: h.default for h in method.hyperparameters.values()}
    filled = {slot for slot in ONE if recipe.filled_by[slot] == name}
    assert filled <= {s for verb in ("choose", "override", "wrap") for s in method.slots[verb]}
    assert set(method.slots["choose"]) <= filled
    before = load([stack(name)[0]]) if len(stack(name)) > 1 else Recipe()
    grown = {f for f in vars(recipe) if f not in ONE and len_of(recipe, f) > len_of(before, f)}
    assert grown - {"filled_by", "changes", "agents"} <= set(method.slots["add"])


def len_of(recipe: Recipe, name: str) -> int:
    value = getattr(recipe, name)
    return len(value) if isinstance(value, dict | tuple) else 0


@every_method
def test_has_its_own_tests_and_paper(name):
    assert (Path(__file__).parent / "methods" / f"test_{name}.py").is_file()
    assert METHODS[name].paper
    assert METHODS[name].summary.endswith(".")


@every_method
def test_runs_in_the_trainer(name, monkeypatch):
    """Two steps of the real trainer: the policy moves, and everything the method logs reaches the row of the step."""
    monkeypatch.setattr("rlpipe.rewards.judge.verify_many", flip_by_text)
    methods = stack(name)
    model, tokenizer = tiny_policy()
    before = [p.detach().clone() for p in model.parameters()]
    settings = TrainSettings(prompts=4, rollouts=4, mini_batches=2, max_new_tokens=5, max_refills=8)
    agent = toy_agent(model, tokenizer, settings, reference=Policy(tiny_policy(seed=1)[0].eval()))
    trainer = Trainer({"policy": agent}, settings, ErrorRate())
    recipe, pool = load(methods), [toy_prompt(f"w{i}") for i in range(7)]
    for i in range(2):
        taken = train_step(pool, trainer, recipe, step(i))
        agent.engine.load_policy(model, i + 1)
    row = taken.row(1)
    assert all(math.isfinite(value) for value in row.values() if value is not None)
    chosen = [name for name, note in weighed(recipe).annotations.items() if note.dtype == torch.bool]
    assert set(row) >= {*chosen, *recipe.diagnostics, *(f"reward/{name}" for name in recipe.reward_terms)}
    assert row["grad_norm"] > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def flip_by_text(pairs):
    """Right or wrong by a checksum of prompt and response, so that groups of a random policy hold both."""
    right = [zlib.crc32(f"{prompt.id} {text}".encode()) % 2 for prompt, text in pairs]
    return [Verdict(float(r), "ok" if r else "wrong", canonical=str(r)) for r in right]
