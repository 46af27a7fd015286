"""Who is a member: exposure from rollouts, matching by source and level, and choices that do not depend on order."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rlpipe import artifacts
from rlpipe.contamination.members.membership import Exposure, Trained, match, suspects
from tests.contamination.toy import prompt


def rollout(prompt_id: str, step: int, group: int, sample: int, reward: float, kept: bool = True) -> dict[str, object]:
    names = {
        "run_id": "r/seed-0",
        "model_id": "r/seed-0",
        "data_source": "toy",
        "response": "",
        "finish_reason": "stop",
    }
    numbers = {"policy_step": step, "sample_index": sample, "reward": reward, "acc": reward > 0}
    more = {"prompt": [], "group_id": f"{step}-{group}", "info_json": json.dumps({"kept": kept})}
    return {**names, **numbers, **more, "prompt_id": prompt_id}


def test_exposure_counts_groups_that_were_kept_and_those_that_carry_gradient(tmp_path: Path) -> None:
    path = tmp_path / "rollouts.parquet"
    rows = [
        *(rollout("a", 0, 0, i, float(i)) for i in range(2)),  # different rewards
        *(rollout("a", 4, 1, i, 1.0) for i in range(2)),  # equal rewards: no gradient
        *(rollout("b", 1, 0, i, float(i), kept=False) for i in range(2)),  # filtered
        *(rollout("c", 2, n, i, float(i)) for n in range(2) for i in range(2)),  # twice in one step
    ]
    artifacts.write(path, artifacts.ROLLOUTS, rows)
    found = Trained.of(path)
    assert found.steps == 5
    assert found.exposures == {"a": Exposure(1, 2), "c": Exposure(2, 2)}


TRAINED = [prompt(i, level="easy" if i % 2 else "hard") for i in range(20)]
HELD_OUT = [prompt(i, level="easy" if i % 4 else "hard") for i in range(100, 120)]  # 15 easy, 5 hard
MET = {p.id: Exposure(i // 4, i // 2) for i, p in enumerate(TRAINED)}


def test_the_most_exposed_come_first_and_levels_match() -> None:
    found = match(TRAINED, HELD_OUT, MET, limit=6, seed=0)
    members = [p for p in found if p.role == "member"]
    assert {p.prompt.id for p in members} == {p.id for p in TRAINED[14:]}
    assert {p.exposures for p in members} == {7, 8, 9}
    twins = [p for p in found if p.role == "nonmember"]
    levels = [Counter(p.prompt.difficulty for p in half) for half in (members, twins)]
    assert levels[0] == levels[1]
    assert not {p.prompt.id for p in twins} & {p.id for p in TRAINED}


def test_a_level_without_untrained_prompts_left_is_passed_over() -> None:
    found = match(TRAINED, HELD_OUT, MET, limit=20, seed=0)
    assert Counter(p.prompt.difficulty for p in found if p.role == "member") == {"easy": 10, "hard": 5}


def test_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    first = match(TRAINED, HELD_OUT, {}, limit=6, seed=0)
    assert match(TRAINED[::-1], HELD_OUT[::-1], {}, limit=6, seed=0) == first
    assert match(TRAINED, HELD_OUT, {}, limit=6, seed=1) != first


def test_nothing_to_compare_with_is_an_error() -> None:
    other = [prompt(i, source="elsewhere") for i in range(5)]
    with pytest.raises(ValueError, match="none of 20 trained prompts has an untrained twin"):
        match(TRAINED, other, MET, limit=6, seed=0)


def test_suspects_have_the_levels_of_those_they_are_compared_with() -> None:
    benchmark = [prompt(i, level="easy" if i % 2 else "hard") for i in range(200, 240)]
    benchmark += [prompt(i, source="elsewhere") for i in range(5)]
    found = suspects(benchmark, HELD_OUT, limit=12, seed=0)
    assert len(found) == 12
    assert {p.role for p in found} == {"suspect"}
    assert {p.prompt.source for p in found} == {"toy"}
    every = suspects(benchmark, HELD_OUT, limit=99, seed=0)
    assert Counter(p.prompt.difficulty for p in every) == {"easy": 15, "hard": 5}
    assert suspects(benchmark[::-1], HELD_OUT[::-1], limit=12, seed=0) == found
    assert suspects(benchmark, HELD_OUT, limit=0, seed=0) == []


def test_the_limit_is_per_source() -> None:
    more = [prompt(i, source="second") for i in range(10)]
    held_out = [prompt(i, source="second") for i in range(100, 110)]
    found = match([*TRAINED, *more], [*HELD_OUT, *held_out], MET, limit=4, seed=0)
    assert Counter((p.prompt.source, p.role) for p in found) == {
        (source, role): 4 for source in ("toy", "second") for role in ("member", "nonmember")
    }
