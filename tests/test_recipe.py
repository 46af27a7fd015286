from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from rlpipe.curricula.uniform import Uniform
from rlpipe.ops.reductions import token_mean
from rlpipe.recipe import Recipe, load, parse_methods
from rlpipe.rewards.verified import verified
from rlpipe.samplers.independent import independent
from tests.toy import F1_MASK, f1, step


def one(*_, **__):
    return 1


def two(*_, **__):
    return 2


class Memory:
    """A part with memory: counts the steps it was told of."""

    def __init__(self):
        self.steps = 0

    def __call__(self, *_):
        return self.steps

    def observe(self, groups, batch):
        self.steps += 1

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


def by(method, recipe=None):
    return replace(recipe or Recipe(), method=method)


def test_what_no_method_chooses_gets_the_default():
    recipe = load(["rloo"])
    assert isinstance(recipe.curriculum, Uniform)
    assert recipe.sampler is independent
    assert recipe.reward is verified
    assert load(["dapo"]).reduction is token_mean
    assert {recipe.filled_by[s] for s in ("curriculum", "sampler", "reward")} == {"default"}
    assert recipe.filled_by["reduction"] == "rloo"


def test_recipes_do_not_share_memory():
    assert load(["grpo"]).curriculum is not load(["grpo"]).curriculum


def test_the_stack_of_the_design_works_as_written():
    recipe = load(["grpo", {"kl_cov": {"fraction": 0.02}}])
    assert recipe.annotations["kl_cov"].keywords["fraction"] == 0.02
    assert recipe.filled_by["advantage"] == "grpo"


def test_a_slot_filled_twice_names_both():
    filled = by("first").choose(advantage=one)
    with pytest.raises(ValueError, match="'advantage' is filled twice: by first and by second"):
        by("second", filled).choose(advantage=two)
    with pytest.raises(ValueError, match="filled twice: by grpo and by dr_grpo"):
        load(["grpo", "dr_grpo"])


def test_override_replaces_once_and_is_recorded():
    recipe = by("changer", by("base").choose(policy_loss=one)).override(policy_loss=two)
    assert recipe.policy_loss is two
    assert recipe.changes == ("changer replaces base's policy_loss",)
    with pytest.raises(ValueError, match="filled twice: by changer and by other"):
        by("other", recipe).override(policy_loss=one)
    with pytest.raises(ValueError, match="changer changes 'reward', which no method before it fills"):
        by("changer").override(reward=one)


def test_wraps_pile_up_and_keep_what_they_wrap():
    def plus(value, *, inner):
        return inner(value) + 1

    def double(value, *, inner):
        return 2 * inner(value)

    base = by("base").choose(advantage=lambda value: value)
    recipe = by("b", by("a", base).wrap(advantage=plus)).wrap(advantage=double)
    assert recipe.advantage(10) == 22
    assert recipe.changes == ("a wraps base's advantage", "b wraps a's advantage")
    with pytest.raises(ValueError, match="filled twice: by b and by c"):
        by("c", recipe).override(advantage=one)
    with pytest.raises(ValueError, match="no method before it fills"):
        by("a").wrap(advantage=plus)


def test_ordered_slots_keep_the_order_and_named_ones_their_names():
    recipe = Recipe().add(token_weights=one, annotations={"x": one}).add(token_weights=two, annotations={"y": two})
    assert recipe.token_weights == (one, two)
    assert list(recipe.annotations) == ["x", "y"]
    with pytest.raises(ValueError, match=r"annotations already has \['y'\]; late adds it again"):
        by("late", recipe).add(annotations={"y": one})


def test_verbs_refuse_slots_of_another_kind():
    with pytest.raises(ValueError, match="'token_weights' is not a single slot; single slots: curriculum"):
        Recipe().choose(token_weights=one)
    with pytest.raises(ValueError, match="'advantage' cannot be added to; use choose"):
        Recipe().add(advantage=one)
    with pytest.raises(ValueError, match="'nonsense' is not a single slot"):
        Recipe().override(nonsense=one)


def test_memory_is_found_inside_partials_and_wraps_once():
    shared, own = Memory(), Memory()
    recipe = by("base").choose(advantage=partial(one, level=shared), curriculum=own)
    recipe = by("outer", recipe).wrap(advantage=two).add(token_weights=partial(one, shared))
    assert recipe.state_dict() == {"curriculum": {"steps": 0}, "advantage.inner.level": {"steps": 0}}
    recipe.observe([], None)
    assert (shared.steps, own.steps) == (1, 1)
    recipe.load_state_dict({"curriculum": {"steps": 5}, "advantage.inner.level": {"steps": 7}})
    assert (shared.steps, own.steps) == (7, 5)


def test_diagnostics_average_over_rollouts_or_response_tokens():
    def share(batch, at):
        return batch.correct

    def first_column(batch, at):
        return torch.tensor([[True, False, False, False]]).expand_as(batch.response_mask)

    recipe = Recipe().add(diagnostics={"share": share, "tokens": first_column})
    assert recipe.diagnose(f1(), step()) == {"share": 0.5, "tokens": 4 / 13}
    empty = f1(response_mask=torch.zeros_like(F1_MASK))
    assert recipe.diagnose(empty, step())["tokens"] == 0.0


def test_methods_as_written_in_yaml():
    written = ["grpo", {"kl_cov": {"fraction": 0.02}}, {"tis": None}]
    assert parse_methods(written) == [("grpo", {}), ("kl_cov", {"fraction": 0.02}), ("tis", {})]
