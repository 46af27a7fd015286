"""What a ratio is taken against: measured, unless the engine has measured it already or the recipe says what was recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.engine.batched import complete_all
from rlpipe.engine.hf import HFEngine
from rlpipe.ops.collate import collate, rollouts_of
from rlpipe.policy.forward import Policy
from rlpipe.recipe import load
from rlpipe.train.signals import current_signals, measured_rows, old_signals, reference_signals
from rlpipe.types import Group, Sampling, Signals
from tests.engine.rules import Ban
from tests.toy import tiny_policy, toy_prompt

STEP = 4
START = load(["grpo"])
RECORDED = START.recorded()
FIRST_TOKEN = {"first": lambda readout: readout.logits[:, 0]}
PLAIN, HOT = Sampling(6), Sampling(6, temperature=1.7)


@pytest.fixture(scope="module")
def policy():
    return Policy(tiny_policy()[0].eval())


def batch_of(policy, samplings, written_at=STEP):
    """A row for each way of drawing, by the engine that holds the policy."""
    engine = HFEngine(policy.model, tiny_policy()[1])
    engine.load_policy(policy.model, written_at)
    rollouts = [complete_all(engine, [[1, 5 + i % 7]], s, [i])[0] for i, s in enumerate(samplings)]
    return collate([Group(toy_prompt("p"), tuple(rollouts))])


def old(batch, policy, recipe=START, exact=True):
    return old_signals(batch, policy, exact, recipe, STEP, 64)


def own(batch, policy, signals=None):
    with torch.no_grad():
        return policy(batch.tokens, batch.response_mask, signals or {})


def same(found: Signals, expected: Signals):
    torch.testing.assert_close(found.logprob, expected.logprob)
    torch.testing.assert_close(found.entropy, expected.entropy)


def test_an_exact_engines_fresh_and_plain_rollouts_have_been_measured(policy):
    batch = batch_of(policy, [PLAIN] * 3)
    assert old(batch, policy) is batch.old
    same(batch.old, own(batch, policy))


@pytest.mark.parametrize("samplings", [[HOT] * 3, [PLAIN, HOT, PLAIN]])
def test_hot_rollouts_are_measured(policy, samplings):
    batch = batch_of(policy, samplings)
    assert (batch.old.logprob - own(batch, policy).logprob).abs().max() > 0.01
    same(old(batch, policy), own(batch, policy))


def test_stale_rollouts_are_measured(policy):
    before = Policy(tiny_policy(seed=3)[0].eval())
    batch = batch_of(before, [PLAIN] * 3, written_at=STEP - 1)
    assert (batch.old.logprob - own(batch, policy).logprob).abs().max() > 0.01
    same(old(batch, policy), own(batch, policy))


def test_what_an_inexact_engine_says_is_measured(policy):
    batch = batch_of(policy, [PLAIN] * 3)
    batch = replace(batch, old=Signals(batch.old.logprob + 0.1, batch.old.entropy))
    assert old(batch, policy) is batch.old
    same(old(batch, policy, exact=False), own(batch, policy))


def test_a_recipes_signals_are_measured(policy):
    batch = batch_of(policy, [PLAIN] * 3)
    found = old(batch, policy, START.add(signals=FIRST_TOKEN))
    same(found, own(batch, policy))
    torch.testing.assert_close(found.extra["first"], own(batch, policy, FIRST_TOKEN).extra["first"])


@pytest.mark.parametrize(("samplings", "at"), [([HOT] * 3, STEP), ([PLAIN] * 3, STEP - 1), ([PLAIN] * 3, STEP)])
@pytest.mark.parametrize("exact", [True, False])
def test_recorded_is_what_rollouts_carry(policy, samplings, at, exact):
    before = Policy(tiny_policy(seed=3)[0].eval())
    batch = batch_of(before, samplings, at)
    assert old(batch, policy, RECORDED, exact) is batch.old
    with_signals = old(batch, policy, RECORDED.add(signals=FIRST_TOKEN), exact)
    assert torch.equal(with_signals.logprob, batch.sampling_logprob)
    measured = own(batch, policy, FIRST_TOKEN)
    torch.testing.assert_close(with_signals.entropy, measured.entropy)
    torch.testing.assert_close(with_signals.extra["first"], measured.extra["first"])


def test_rows_that_were_measured_when_they_were_drawn(policy):
    ways = [PLAIN, HOT, replace(PLAIN, top_p=0.9), replace(PLAIN, top_k=3), replace(PLAIN, logit_rule=Ban(6))]
    ways += [replace(PLAIN, stop=("w3",)), replace(PLAIN, max_new_tokens=2), replace(PLAIN, temperature=0.0)]
    batch = batch_of(policy, ways)
    expected = [True, False, False, False, False, True, True, False]
    assert measured_rows(batch, 1.0, STEP).tolist() == expected
    assert measured_rows(batch, 1.7, STEP).tolist() == [way == HOT for way in ways]
    assert not any(measured_rows(batch, 1.0, STEP + d).any() for d in (-1, 1))
    assert measured_rows(batch.rows([2, 0, 5]), 1.0, STEP).tolist() == [False, True, True]
    assert [r is batch.groups[0].rollouts[i] for i, r in zip((5, 1), rollouts_of(batch.rows([5, 1])), strict=True)] == [
        True,
        True,
    ]
    (group,) = batch.groups
    unknown = replace(group, rollouts=tuple(replace(r, sampling=None) for r in group.rollouts))
    assert not measured_rows(replace(batch, groups=(unknown,)), 1.0, STEP).any()


def test_further_policies_are_measured_only_where_they_are_needed(policy):
    batch, other = batch_of(policy, [PLAIN] * 3), Policy(tiny_policy(seed=3)[0].eval())
    assert reference_signals(batch, other, START, 64) is None
    assert current_signals(batch, policy, START, 64) is None
    same(reference_signals(batch, other, START.need("reference"), 64), own(batch, other))
    same(current_signals(batch, policy, START.need("current"), 64), own(batch, policy))
