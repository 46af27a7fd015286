from __future__ import annotations

import re

import pytest

from rlpipe.phases import check_phases, load_phases, recipe_at
from tests.toy import step, toy_prompt

TWO = [{"until": 0.6, "methods": ["grpo"]}, {"methods": ["dapo"]}]


def test_each_step_has_the_recipe_of_its_phase():
    phases = load_phases(TWO)
    names = [recipe_at(phases, i, 10).filled_by["advantage"] for i in range(10)]
    assert names == ["grpo"] * 6 + ["dapo"] * 4


@pytest.mark.parametrize(("until", "total", "first"), [(0.7, 10, 7), (0.3, 10, 3), (0.29, 100, 29), (0.5, 3, 2)])
def test_a_share_of_steps_that_binary_cannot_hold(until, total, first):
    phases = load_phases([{"until": until, "methods": ["grpo"]}, {"methods": ["dapo"]}])
    assert [recipe_at(phases, i, total) is phases[0].recipe for i in range(total)].index(False) == first


def test_one_phase_lasts():
    (only,) = phases = load_phases([{"methods": ["grpo"]}])
    assert all(recipe_at(phases, i, 3) is only.recipe for i in (0, 2, 99))


def test_a_new_phase_goes_on_in_the_pool():
    pool = [toy_prompt(f"p{i}") for i in range(6)]
    early, late = (phase.recipe.curriculum for phase in load_phases(TWO))
    first, second = early(pool, 3, step(0)), late(pool, 3, step(1))
    assert {p.id for p in first + second} == {p.id for p in pool}


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ([], "a run has no methods"),
        ([{"methods": ["grpo"]}, {"methods": ["dapo"]}], "phase 0: until = None must be a share of the run"),
        (
            [{"until": 1.2, "methods": ["grpo"]}, {"methods": ["dapo"]}],
            "until = 1.2 must be a share of the run, above 0",
        ),
        (
            [{"until": 0.5, "methods": ["grpo"]}, {"until": 0.4, "methods": ["rloo"]}, {"methods": ["dapo"]}],
            "phase 1: until = 0.4 must be a share of the run, above 0.5 and below 1",
        ),
        ([{"until": 0.5, "methods": ["grpo"]}], "the last phase ends with the run; leave out until: 0.5"),
        ([{"until": 0.5, "methods": ["gpro"]}, {"methods": ["dapo"]}], "phase 0: unknown method 'gpro'"),
    ],
)
def test_wrong_phases(phases, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_phases(phases)
