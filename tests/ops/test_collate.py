"""A row knows its rollout and its group, whatever was filtered on the way."""

from __future__ import annotations

from dataclasses import replace

import torch

from rlpipe.ops.collate import collate, turns
from rlpipe.ops.updates import mini_batches
from rlpipe.types import Group, Rollout, Verdict
from tests.toy import step, toy_prompt

SIZES = {"a": [3, 5], "b": [2, 4, 6], "c": [1]}
WRITERS = {("b", 1): "asker", ("c", 0): "asker"}


def rollout(name: str, i: int, length: int) -> Rollout:
    """Two prompt tokens and `length` others; its first token and its numbers are like no other's."""
    mark = 10 * (1 + ord(name) - ord("a")) + i
    mask = torch.arange(2 + length) >= 2
    tokens = torch.arange(2 + length) + 100 * mark
    logprob, entropy = -0.01 * mark * mask, 0.02 * mark * mask
    return Rollout(tokens, mask, logprob, entropy, ("",), "stop", agent=WRITERS.get((name, i), "policy"))


def groups() -> list[Group]:
    found = []
    for name, sizes in SIZES.items():
        rollouts = tuple(rollout(name, i, n) for i, n in enumerate(sizes))
        reward = torch.arange(len(sizes)) / 4 + ord(name)
        verdicts = tuple(Verdict(float(i == 0), "ok") for i in range(len(sizes)))
        found.append(Group(toy_prompt(name), rollouts, verdicts, {"form": reward + 1000}, reward))
    return found


def check_rows(batch, expected):
    """Every row has the tokens, the numbers and the reward of the rollout that group and sample name."""
    assert [
        (batch.groups[g].prompt.id, i) for g, i in zip(batch.group.tolist(), batch.sample.tolist(), strict=True)
    ] == expected
    for row, (name, i) in enumerate(expected):
        group = next(g for g in batch.groups if g.prompt.id == name)
        own, n = group.rollouts[i], len(group.rollouts[i].tokens)
        columns = {"tokens": batch.tokens, "response_mask": batch.response_mask, "logprob": batch.sampling_logprob}
        for field, value in columns.items():
            assert torch.equal(value[row, :n], getattr(own, field))
            assert not value[row, n:].any()
        assert torch.equal(batch.old.logprob[row], batch.sampling_logprob[row])
        assert torch.equal(batch.old.entropy[row, :n], own.entropy)
        assert float(batch.reward[row]) == float(group.reward[i])
        assert float(batch.terms["form"][row]) == float(group.reward_terms["form"][i])
        assert bool(batch.correct[row]) == (i == 0)
    assert torch.equal(batch.turn, torch.where(batch.response_mask, 0, -1))


OWN = [("a", 0), ("a", 1), ("b", 0), ("b", 2)]


def test_each_agent_has_its_own_rollouts_numbered_from_0_in_the_groups_of_all():
    for agent, expected in (("policy", OWN), ("asker", [("b", 1), ("c", 0)])):
        batch = collate(groups(), agent=agent)
        assert batch.row.tolist() == list(range(len(expected)))
        assert len(batch.groups) == 3
        check_rows(batch, expected)


def test_rows_are_known_after_cuts_orders_and_mini_batches():
    batch = collate(groups())
    cut = batch.rows([3, 0])
    assert cut.row.tolist() == [3, 0]
    check_rows(cut, [OWN[3], OWN[0]])
    parts = list(mini_batches(batch, step()))
    assert len(parts) == 2
    for part in parts:
        check_rows(part, [OWN[i] for i in part.row.tolist()])
    assert sorted(i for part in parts for i in part.row.tolist()) == [0, 1, 2, 3]
    # Whole groups stay together, as their losses belong together.
    assert not set(parts[0].group.tolist()) & set(parts[1].group.tolist())


def test_rows_are_known_after_groups_are_dropped_thinned_and_reordered():
    a, b, _ = groups()
    thin = replace(
        b,
        rollouts=(b.rollouts[2], b.rollouts[0]),
        verdicts=(b.verdicts[2], b.verdicts[0]),
        reward=b.reward[[2, 0]],
        reward_terms={"form": b.reward_terms["form"][[2, 0]]},
    )
    batch = collate([thin, a])
    found = [batch.groups[g].rollouts[i] for g, i in zip(batch.group.tolist(), batch.sample.tolist(), strict=True)]
    assert [r is s for r, s in zip(found, [*thin.rollouts, *a.rollouts], strict=True)] == [True] * 4
    assert batch.reward.tolist() == [*thin.reward.tolist(), *a.reward.tolist()]
    assert batch.terms["form"].tolist() == [*thin.reward_terms["form"].tolist(), *a.reward_terms["form"].tolist()]
    assert batch.correct.tolist() == [False, True, True, False]


def test_what_a_group_lacks_counts_nothing():
    a, b, _ = groups()
    bare = replace(b, verdicts=(), reward=None, reward_terms={"tool": torch.tensor([1.0, 2.0, 3.0])})
    batch = collate([a, bare])
    assert {name: value.tolist() for name, value in batch.terms.items()} == {
        "form": [*a.reward_terms["form"].tolist(), 0, 0],
        "tool": [0, 0, 1, 3],
    }
    assert list(batch.terms) == ["form", "tool"]
    assert batch.reward.tolist() == [*a.reward.tolist(), 0, 0]
    assert batch.correct.tolist() == [True, False, False, False]
    assert (batch.current, batch.reference, batch.annotations) == (None, None, {})


def test_turns_are_counted_where_the_policy_wrote():
    mask = torch.tensor([[0, 1, 1, 0, 1, 0, 1], [1, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0]], dtype=torch.bool)
    assert turns(mask).tolist() == [[-1, 0, 0, -1, 1, -1, 2], [0, -1, -1, 1, 1, -1, -1], [-1] * 7]
