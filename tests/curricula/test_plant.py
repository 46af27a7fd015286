"""Planting: how often members are met, what twins share, and what is refused."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlpipe.curricula.plant import choose_twins, plant
from rlpipe.curricula.uniform import Uniform
from rlpipe.types import Plan, Prompt, Sampling, Step


def prompts(name: str, n: int, levels: int = 3) -> list[Prompt]:
    return [Prompt(f"{name}{i:03d}", (), "", "toy", f"level{i % levels}") for i in range(n)]


POOL, CANDIDATES = prompts("ordinary", 50), prompts("held", 40)


@given(st.integers(1, 18), st.integers(0, 50))
def test_twins_are_disjoint_and_matched(members: int, seed: int) -> None:
    planted, left_out = choose_twins(CANDIDATES, members, seed)
    assert len(planted) == len(left_out) == members
    assert not {p.id for p in planted} & {p.id for p in left_out}
    assert Counter(p.difficulty for p in planted) == Counter(p.difficulty for p in left_out)


def test_choice_depends_on_ids_and_seed_alone() -> None:
    assert choose_twins(CANDIDATES[::-1], 8, 3) == choose_twins(CANDIDATES, 8, 3)
    assert choose_twins(CANDIDATES, 8, 4) != choose_twins(CANDIDATES, 8, 3)


def test_one_pass_of_the_uniform_curriculum_meets_each_member_exactly_so_often() -> None:
    steps, per_step, epochs = 20, 8, 5
    pool = plant(POOL, CANDIDATES, 10, epochs, seed=1, draws=steps * per_step)
    curriculum = Uniform()
    plan = Plan(4, Sampling(8), seed=1)
    met: Counter[str] = Counter()
    for i in range(steps):
        step = Step(i, steps, torch.Generator(), plan)
        met.update(p.id for p in curriculum(pool, per_step, step))
    planted, left_out = choose_twins(CANDIDATES, 10, seed=1)
    assert [met[p.id] for p in planted] == [epochs] * 10
    assert not any(met[p.id] for p in left_out)
    ordinary = [met[p.id] for p in POOL]
    assert sum(ordinary) == steps * per_step - 50
    assert max(ordinary) - min(ordinary) <= 1


def test_the_clean_twin_has_as_many_prompts_and_no_member() -> None:
    twin = plant(POOL, CANDIDATES, 10, epochs=0, seed=1, draws=160)
    assert len(twin) == 160
    assert {p.id for p in twin} == {p.id for p in POOL}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": 21}, "make 19 pairs"),
        ({"members": 0}, "0 members"),
        ({"epochs": 17}, "10 members x 17 epochs are 170 draws, more than the run.s 160"),
        ({"pool": []}, "the pool has none"),
        ({"pool": [*POOL, CANDIDATES[0]]}, "1 candidates, such as held000, are in the training pool"),
    ],
)
def test_impossible_plans_are_refused(change: dict[str, object], message: str) -> None:
    plan = {"pool": POOL, "candidates": CANDIDATES, "members": 10, "epochs": 5, "seed": 1, "draws": 160}
    with pytest.raises(ValueError, match=message):
        plant(**{**plan, **change})
