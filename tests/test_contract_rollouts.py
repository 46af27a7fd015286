"""Every sampler, environment, engine and curriculum keeps its contract; and planted faults are caught by it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.engine.batched import Dealing, Remembering
from rlpipe.engine.hf import HFEngine
from rlpipe.environments.calculator import Calculator
from rlpipe.environments.catalogue import environments
from rlpipe.recipe import load
from rlpipe.rewards import judge
from rlpipe.samplers.conversation import Trajectory
from rlpipe.types import Verdict
from tests import contract_rollouts as contract
from tests.contract_rollouts import PLACES, SAMPLER_CHECKS, SAMPLERS, check_engine, check_environment
from tests.toy import group, step, tiny_policy, toy_prompt


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("check", SAMPLER_CHECKS, ids=lambda c: c.__name__.removeprefix("check_"))
def test_samplers(check, name, place):
    check(SAMPLERS[name], place)


@pytest.mark.parametrize("name", environments())
def test_environments(name):
    check_environment(name)


def plain(model, tokenizer):
    return HFEngine(model, tokenizer)


@pytest.mark.parametrize("front", [plain, lambda *m: Remembering(plain(*m)), lambda *m: Dealing(plain(*m))])
def test_engines(front):
    model, tokenizer = tiny_policy(contract.WORDS)
    check_engine(front(model, tokenizer), model)


@pytest.mark.parametrize("methods", [["grpo"]], ids=["uniform"])
def test_curricula(methods):
    """Prompts of the pool, as many as asked for; what comes next hangs on its state alone."""
    pool = [toy_prompt(f"p{i}") for i in range(7)]
    first, second = load(methods).curriculum, load(methods).curriculum
    for n in (3, 5, 9, 1):
        drawn = first(pool, n, step())
        assert len(drawn) == n
        assert all(p in pool for p in drawn)
        assert second(pool, n, step()) == drawn
    third = load(methods).curriculum
    third.load_state_dict(first.state_dict())
    assert third(pool, 6, step()) == first(pool, 6, step())


def test_verdicts_belong_to_their_rollouts(monkeypatch):
    monkeypatch.setattr(judge, "verify_many", by_text)
    check_verdicts()


def check_verdicts():
    groups = [named("a", "right", "wrong", "right"), named("b", "right", "wrong")]
    judged = judge.verify_last_turn(groups, step())
    assert [[v.correct for v in g.verdicts] for g in judged] == [[True, False, True], [True, False]]


def named(name, *texts):
    made = group([0] * len(texts), name=name)
    rollouts = (replace(r, turns=("earlier", text)) for r, text in zip(made.rollouts, texts, strict=True))
    return replace(made, rollouts=tuple(rollouts), verdicts=(), reward=None)


def by_text(pairs):
    return [Verdict(float(text == "right"), "ok" if text == "right" else "wrong") for _, text in pairs]


# Faults that trainers have shipped, each planted and seen to be caught.


def off_by_one(self, ids, inline=False):
    """The last token of a reply is taken for the policy's."""
    ORIGINAL_READ(self, ids, inline)
    self.mask[-1] = True


def dropped(self, ids, inline=False):
    """The policy goes on without having read the reply."""
    self.same_turn = inline


def shifted(self, piece):
    """The first token of every stretch is left out of the mask."""
    at = len(self.tokens)
    ORIGINAL_WRITE(self, piece)
    self.mask[at] = False


def misplaced(self, piece):
    """Log-probabilities stand one token late."""
    at = len(self.logprob)
    ORIGINAL_WRITE(self, piece)
    self.logprob[at:] = [0.0, *self.logprob[at:-1]]


ORIGINAL_READ, ORIGINAL_WRITE = Trajectory.read, Trajectory.write
FAULTS = {
    "a tool's result dropped": ("read", dropped, contract.check_read),
    "a mask off by one": ("read", off_by_one, contract.check_written),
    "a token left out": ("write", shifted, contract.check_written),
    "numbers of the token before": ("write", misplaced, contract.check_written),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, monkeypatch):
    name, broken, check = FAULTS[fault]
    check(SAMPLERS["independent"], "calculator")
    monkeypatch.setattr(Trajectory, name, broken)
    with pytest.raises(AssertionError):
        check(SAMPLERS["independent"], "calculator")


def test_stale_weights_are_caught(monkeypatch):
    """An engine that keeps a copy of the weights it began with."""
    model, tokenizer = tiny_policy(contract.WORDS)
    engine = HFEngine(tiny_policy(contract.WORDS)[0], tokenizer)
    monkeypatch.setattr(engine, "load_policy", lambda policy, step=0: setattr(engine, "step", step))
    with pytest.raises(AssertionError):
        check_engine(engine, model)


def test_an_engine_that_does_not_say_whose_weights_it_has_is_caught(monkeypatch):
    model, tokenizer = tiny_policy(contract.WORDS)
    engine = HFEngine(model, tokenizer)
    monkeypatch.setattr(engine, "load_policy", lambda policy, step=0: None)
    with pytest.raises(AssertionError):
        check_engine(engine, model)


def test_verdicts_in_another_order_are_caught(monkeypatch):
    monkeypatch.setattr(judge, "verify_many", lambda pairs: by_text(pairs)[::-1])
    with pytest.raises(AssertionError):
        check_verdicts()


def test_an_environment_with_a_memory_is_caught(monkeypatch):
    seen = []

    def remembers(self, state, text):
        seen.append(text)
        return state, [{"role": "inline", "content": f"{len(seen)}"}]

    monkeypatch.setattr(Calculator, "reply", remembers)
    with pytest.raises(AssertionError):
        check_environment("calculator")
    assert torch.tensor(len(seen)) > 0
