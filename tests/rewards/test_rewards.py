"""Rewards: what verdicts, lengths, votes and coins are worth."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from rlpipe.rewards.format import format_bonus, in_form
from rlpipe.rewards.length import overlong_penalty, overlong_shaping
from rlpipe.rewards.random import coin_flips
from rlpipe.rewards.verified import verified
from rlpipe.rewards.vote import majority, vote
from rlpipe.types import Group, Prompt, Rollout, Status, Verdict
from tests.toy import step


def rollout(length: int = 3, policy_step: int = 0) -> Rollout:
    tokens = torch.zeros(length + 2, dtype=torch.long)
    zeros = torch.zeros(length + 2)
    return Rollout(tokens, torch.arange(length + 2) >= 2, zeros, zeros, ("",), "stop", policy_step=policy_step)


def group(verdicts: list[Verdict], lengths: list[int] | None = None, id: str = "p", policy_step: int = 0) -> Group:
    rollouts = tuple(rollout(n, policy_step) for n in lengths or [3] * len(verdicts))
    return Group(Prompt(id, (), "12", "openai/gsm8k"), rollouts, tuple(verdicts))


def verdict(status: Status, score: float = 0.0, canonical: str | None = None) -> Verdict:
    return Verdict(score, status, canonical, canonical, "answer", "1")


def rewarded(groups: list[Group]) -> list[Group]:
    return [replace(g, reward=r) for g, r in zip(groups, verified(groups, step()), strict=True)]


def test_verified_pays_what_was_judged() -> None:
    judged = [verdict("ok", 1.0), verdict("wrong"), verdict("wrong", 0.25), verdict("ok", 7.0)]
    failed = [verdict(s, 1.0) for s in ("timeout", "error", "no_answer", "ambiguous", "needs_symbolic")]
    paid, unpaid = verified([group(judged), group(failed)], step())
    torch.testing.assert_close(paid, torch.tensor([1.0, 0.0, 0.25, 1.0]))
    torch.testing.assert_close(unpaid, torch.zeros(5))


def test_a_group_must_be_verified_first() -> None:
    unverified = Group(Prompt("p9", (), "", ""), (rollout(), rollout()), (verdict("ok", 1.0),))
    for reward in (verified, majority, in_form):
        with pytest.raises(ValueError, match="p9: 1 verdicts for 2 rollouts"):
            reward([unverified], step())


def test_a_group_must_be_rewarded_before_it_is_shaped() -> None:
    bare = group([verdict("ok", 1.0)], id="p9")
    for shape in (format_bonus, partial(overlong_shaping, max_length=8, cache=4)):
        with pytest.raises(ValueError, match="p9: shaped before it was rewarded"):
            shape([bare], step())


def test_format() -> None:
    groups = [
        group([verdict("ok", 1.0), verdict("wrong"), verdict("no_answer"), verdict("ambiguous"), verdict("error")])
    ]
    torch.testing.assert_close(in_form(groups, step())[0], torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]))
    bonus = format_bonus(rewarded(groups), step(), weight=0.5)[0]
    torch.testing.assert_close(bonus, torch.tensor([1.5, 0.5, 0.0, 0.0, 0.0]))


def test_overlong_by_hand() -> None:
    # L_max 20480, L_c 4096, f 1: 16384 -> 0, 18432 -> -0.5, 20480 -> -1, and -1 beyond
    lengths = torch.tensor([1, 16_384, 18_432, 20_480, 30_000])
    penalty = overlong_penalty(lengths, max_length=20_480, cache=4096, factor=1.0)
    torch.testing.assert_close(penalty, torch.tensor([0.0, 0.0, -0.5, -1.0, -1.0]))
    with pytest.raises(ValueError, match="cache"):
        overlong_penalty(lengths, max_length=10, cache=11)


def test_overlong_counts_response_tokens() -> None:
    groups = [group([verdict("ok", 1.0)] * 3, lengths=[4, 6, 8])]
    shaped = overlong_shaping(rewarded(groups), step(), max_length=8, cache=4, factor=2.0)[0]
    torch.testing.assert_close(shaped, torch.tensor([1.0, 0.0, -1.0]))


def test_majority_by_hand() -> None:
    # "12" and "7" have three votes each; "12" came first. The empty answer has none.
    answers = ["12", "7", "12", "", "7", "12", "3", "7"]
    verdicts = [verdict("no_answer" if not a else "wrong", canonical=a) for a in answers]
    assert (vote(verdicts).label, vote(verdicts).majority_ratio) == ("12", 0.375)
    torch.testing.assert_close(majority([group(verdicts)], step())[0], torch.tensor([1.0, 0, 1, 0, 0, 1, 0, 0]))


def test_the_empty_answer_cannot_win() -> None:
    nothing = [
        verdict("no_answer"),
        verdict("wrong", canonical=""),
        verdict("error", canonical="5"),
        verdict("ambiguous"),
    ]
    assert vote(nothing).label is None
    torch.testing.assert_close(majority([group(nothing)], step())[0], torch.zeros(4))
    one = [*nothing, verdict("wrong", canonical="7")]
    torch.testing.assert_close(majority([group(one)], step())[0], torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]))


def test_coin_flips_depend_on_seed_step_prompt_and_sample_alone() -> None:
    a, b = group([verdict("ok", 1.0)] * 64, id="a"), group([verdict("wrong")] * 64, id="b")
    flips = coin_flips([a, b], step(), seed=1)
    for at in (step(), step(3)):  # the step that wrote a rollout counts, not the one that it is read in
        torch.testing.assert_close(coin_flips([b], at, seed=1)[0], flips[1])
    others = [
        coin_flips([a], step(), seed=2)[0],
        flips[1],
        coin_flips([group([verdict("ok")] * 64, id="a", policy_step=1)], step(), seed=1)[0],
    ]
    assert all(not torch.equal(flips[0], other) for other in others)
    assert set(flips[0].tolist()) == {0.0, 1.0}
    same = coin_flips([group([verdict("wrong")] * 32, id="a")], step(), seed=1)[0]
    torch.testing.assert_close(same, flips[0][:32])


def test_coin_flips_are_fair() -> None:
    groups = [group([verdict("ok")] * 100, id=str(i)) for i in range(40)]
    mean = torch.cat(coin_flips(groups, step(), seed=0, probability=0.25)).mean()
    assert abs(float(mean) - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    assert float(torch.cat(coin_flips(groups[:1], step(), seed=0, probability=1.0)).min()) == 1.0
    with pytest.raises(ValueError, match="probability"):
        coin_flips(groups, step(), seed=0, probability=1.1)
