"""SPEAR: worked numbers of its specification, its buffer and what it leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.methods.spear import (
    Buffer,
    calls_paid,
    fading_in,
    fading_out,
    masks,
    most_varied,
    num_calls,
    repetitive,
    then_replay,
    weights,
)
from rlpipe.ops.collate import collate
from rlpipe.ops.covariance import token_covariance
from rlpipe.ops.updates import mini_batches
from rlpipe.types import Group, Rollout, Signals
from tests.toy import blank, double, group, step, toy_prompt


def with_calls(calls, length=2, policy_step=0):
    """A rollout of `calls` + 1 stretches of `length` tokens, one foreign token between two."""
    mask = torch.tensor([False, False, *(([True] * length + [False]) * calls), *[True] * length])
    zero = torch.zeros(len(mask))
    return Rollout(torch.arange(len(mask)), mask, zero, zero, ("x",), "stop", policy_step=policy_step)


def scored(rewards, calls, name="p", at=0):
    rollouts = tuple(with_calls(c, policy_step=at) for c in calls)
    return Group(toy_prompt(name), rollouts, reward=torch.tensor([float(r) for r in rewards]))


def credited(*groups):
    batch = collate(groups)
    means = torch.stack([batch.reward[batch.group == g].mean() for g in batch.group])
    return replace(batch, advantage=(batch.reward - means)[:, None] * batch.response_mask)


@pytest.mark.parametrize(("t", "mu"), [(0, 1), (50, 0.853553), (100, 0.5), (150, 0.146447), (200, 0), (201, 0)])
def test_calls_are_paid_less_and_less(t, mu):
    assert fading_out(t, 200) == pytest.approx(mu, abs=1e-6)


@pytest.mark.parametrize(("t", "rho"), [(0, 0), (75, 0.146447), (150, 0.5), (300, 1), (301, 1)])
def test_replays_count_more_and_more(t, rho):
    assert fading_in(t, 300) == pytest.approx(rho, abs=1e-6)


def test_three_calls_at_step_50_and_at_most_1():
    groups = [scored([0, 0, 0], [3, 0, 12])]
    assert [num_calls(r) for r in groups[0].rollouts] == [3, 0, 12]
    (paid,) = calls_paid(groups, step(50), each=0.1, steps=200)
    assert paid.tolist() == pytest.approx([0.256066, 0, 0.853553], abs=1e-6)
    written_at_once = torch.tensor([True, False, True, False, False, False, False])
    assert num_calls(replace(with_calls(1), response_mask=written_at_once)) == 1


def test_the_replay_of_the_specification():
    """Group means [.2, .5, .8, .4]: P50 .45; rewards [1, 1, .3, .6, .2] give .55, .55 and .15, of which two are taken."""
    memory = Buffer(most=1, history=100, oldest=5)
    memory.load_state_dict({"kept": [], "means": [[0, 0.2], [0, 0.5], [0, 0.8], [0, 0.4]]})
    batch = credited(scored([1, 1, 0.3, 0.6, 0.2], [1] * 5))
    memory.kept = [memory._entry(batch, row, 0) for row in range(5)]
    memory.most = 2
    assert memory.replay(step(), torch.device("cpu")) is None, "three are not more than 1.5 x 2"
    memory.most = 1
    assert len(memory.replay(step(), torch.device("cpu"))) == 1
    assert memory.kept == []
    memory.kept = [memory._entry(batch, row, 0) for row in range(5)] * 2
    memory.most = 3
    again = memory.replay(step(), torch.device("cpu"))
    assert len(again) == 3, "the largest power of two below six, but at most the buffer's size"
    assert {round(float(a), 6) for a in again.advantage[again.response_mask]} <= {0.55, 0.15}
    assert again.annotations["spear_replayed"].equal(again.response_mask)


def test_the_largest_power_of_two_is_taken():
    memory = Buffer(most=1, history=100, oldest=5)
    memory.means = [(0, 0.45)]
    batch = credited(scored([1] * 7, [1] * 7))
    memory.most = 4
    memory.kept = [memory._entry(batch, row, 0) for row in range(7)]
    assert len(memory.replay(step(), torch.device("cpu"))) == 4


def test_kept_is_what_beat_its_group_with_a_call_and_is_young():
    memory = Buffer(most=8, history=100, oldest=2)
    batch = credited(scored([1, 0, 1, 0], [1, 1, 0, 0]))
    memory.add(batch, 0, calls_only=True)
    assert [entry["reward"] for entry in memory.kept] == [1.0]
    memory.add(batch, 1, calls_only=False)
    assert len(memory.kept) == 3
    memory.add(batch, 3, calls_only=True)
    assert [entry["step"] for entry in memory.kept] == [1, 1, 3]
    assert memory.means == [(0, 0.5), (1, 0.5), (3, 0.5)]


def test_the_history_drops_whole_steps_from_the_oldest():
    memory = Buffer(most=8, history=3, oldest=5)
    batch = credited(scored([1, 0], [1, 1], "a"), scored([0, 0], [1, 1], "b"))
    for at in range(2):
        memory.add(batch, at, calls_only=True)
    assert memory.means == [(1, 0.5), (1, 0.0)]


def test_what_is_replayed_carries_the_old_policy_of_its_own_step():
    memory = Buffer(most=1, history=100, oldest=5)
    batch = credited(scored([1, 1, 0, 0], [1, 1, 1, 1], at=4))
    old = torch.rand(batch.tokens.shape) * -batch.response_mask.float()
    memory.add(replace(batch, old=Signals(old, -old)), 4, calls_only=True)
    again = memory.replay(step(6), torch.device("cpu"))
    row = 0 if torch.equal(again.old.logprob[0], old[0]) else 1
    assert torch.equal(again.old.logprob[0], old[row])
    assert torch.equal(again.old.entropy[0], -old[row])
    assert again.groups[0].rollouts[0].policy_step == 4


def test_a_buffer_of_size_0_is_the_step_alone():
    batch = credited(scored([1, 0], [1, 1], "a"), scored([1, 0], [1, 1], "b"))
    memory = Buffer(most=0, history=100, oldest=5)
    found = list(then_replay(batch, step(), memory=memory, kept_share=1.0, calls_only=True))
    expected = list(mini_batches(batch, step()))
    assert [b.row.tolist() for b in found] == [b.row.tolist() for b in expected]
    assert memory.state_dict() == {"kept": [], "means": []}


def test_replays_follow_the_step_in_updates_of_its_size():
    batch = credited(scored([1, 0], [1, 1], "a"), scored([1, 0], [1, 1], "b"))
    memory = Buffer(most=8, history=100, oldest=5)
    memory.kept = [memory._entry(batch, 0, 0) for _ in range(14)]
    found = list(then_replay(batch, step(), memory=memory, kept_share=1.0, calls_only=True))
    assert [len(b) for b in found] == [2, 2, 2, 2, 2, 2]
    assert ["spear_replayed" in b.annotations for b in found] == [False, False, True, True, True, True]


def test_the_most_varied_groups_are_trained_on():
    names = [([1, 0, 0, 0], "b"), ([1, 1, 0, 0], "a"), ([0, 0, 0, 0], "c"), ([1, 1, 1, 0], "d")]
    batch = credited(*(scored(r, [0] * 4, n) for r, n in names))
    assert most_varied(batch, 0.75).group.unique().tolist() == [0, 1, 3]
    assert most_varied(batch, 0.25).group.unique().tolist() == [1]
    assert most_varied(batch, 0.0).group.unique().tolist() == [1]


def test_covariance_of_the_specification():
    mask = torch.ones(1, 4, dtype=torch.bool)
    found = token_covariance(double([[1, -1, 0.5, 2]]), double([[-1, -2, -0.5, -3]]), mask)
    assert found[0].tolist() == pytest.approx([0.234375, 0.609375, -0.140625, -1.890625])


def test_tokens_the_clip_has_stopped_are_no_candidates():
    mask = torch.ones(1, 4, dtype=torch.bool)
    advantage, current = double([[1, -1, 0.5, 2]]), double([[-1, -2, -0.5, -3]])
    batch = blank(mask, advantage=advantage, old=Signals(current, current), current=Signals(current, current))
    free = masks(batch, step(), fraction=1.0, low=0.1, high=1.0, clip=(0.2, 0.28))
    assert free["spear_masked"].tolist() == [[True, True, False, False]]
    moved = replace(batch, old=Signals(current - double([[0.5, 0, 0, 0]]), current))
    assert masks(moved, step(), fraction=1.0, low=0.1, high=1.0, clip=(0.2, 0.28))["spear_masked"].tolist() == [
        [False, True, False, False]
    ]


def test_weights_fade_in_what_is_replayed_and_leave_out_what_is_masked():
    mask = torch.ones(1, 2, dtype=torch.bool)
    notes = {"spear_replayed": mask, "spear_masked": torch.tensor([[True, False]])}
    assert weights(blank(mask, annotations=notes), step(100), coefficient=1.0, steps=200).tolist() == [[0.0, 0.5]]


def test_truncated_and_repetitive_rollouts_are_left_out():
    plain = group([1, 0])
    cut = replace(plain.rollouts[1], finish="length")
    batch = collate([replace(plain, rollouts=(plain.rollouts[0], cut))])
    none = torch.zeros_like(batch.response_mask)
    batch = replace(batch, annotations={"spear_replayed": none, "spear_masked": none})
    assert weights(batch, step(), coefficient=1.0, steps=0)[batch.response_mask].tolist() == [1, 1, 1, 0, 0, 0]
    assert repetitive([1] * 29)
    assert not repetitive([1] * 28)
    assert not repetitive(list(range(100)))


def test_what_only_equals_the_median_is_not_replayed():
    memory = Buffer(most=1, history=100, oldest=5)
    batch = credited(scored([1, 0.5, 0.5, 0.5], [1] * 4))
    memory.means = [(0, 0.5)]
    memory.kept = [memory._entry(batch, row, 0) for row in (1, 2, 3)]
    assert memory.replay(step(), torch.device("cpu")) is None
    memory.kept += [memory._entry(batch, 0, 0)] * 2
    again = memory.replay(step(), torch.device("cpu"))
    assert again.reward.tolist() == [1.0]
