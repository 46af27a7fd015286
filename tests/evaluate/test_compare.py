"""Policies against each other: pairing, seeds, families of p-values, support."""

from __future__ import annotations

import json
from collections.abc import Sequence

import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.evaluate.compare.before_after import crossover_of, support_table
from rlpipe.evaluate.compare.differences import Row, compare
from rlpipe.evaluate.settings import EvaluateSettings
from tests.evaluate.rollouts import rollouts

FAST = EvaluateSettings(samples=16, ks=(1, 4), bootstrap_draws=300, flip_draws=1000)


def wide(rows: Sequence[Row]) -> pl.DataFrame:
    """The comparisons as a flat table: run, other, benchmark, metric, value, bounds, p, p_holm, family."""
    return pl.DataFrame([{**row, "run": row["run_id"], **json.loads(row["info_json"])} for row in rows])


def test_a_better_policy_is_found_better() -> None:
    a, b = rollouts("sft", problems=24), rollouts("grpo", problems=24, gain=0.3)
    rows = compare(a, b, FAST, "sft", "grpo")
    artifacts.to_table(rows, artifacts.EVAL)
    table = wide(rows).filter(pl.col("benchmark") == "all")
    (row,) = table.filter(pl.col("metric") == "diff:pass@k", k=1).to_dicts()
    assert row["value"] == pytest.approx(b["acc"].mean() - a["acc"].mean())  # type: ignore[operator]
    assert row["ci_lo"] > 0
    assert (row["run"], row["other"], row["family"], row["family_size"]) == ("grpo", "sft", "primary", 1)
    assert row["p"] == row["p_holm"] < 0.01


def test_swapping_turns_the_sign_and_keeps_p() -> None:
    a, b = rollouts("sft"), rollouts("grpo", gain=0.2)
    there, back = compare(a, b, FAST), compare(b, a, FAST)
    for x, y in zip(there, back, strict=True):
        assert x["value"] == pytest.approx(-y["value"], abs=1e-9)
        assert json.loads(x["info_json"])["p"] == json.loads(y["info_json"])["p"]


def test_seeds_of_a_run_are_compared_by_their_means() -> None:
    seeds = [rollouts("grpo", seed=s, gain=0.1) for s in (0, 1)]
    rows = compare([rollouts("sft")], seeds, FAST, "sft", "grpo")
    table = wide(rows)
    assert set(table["family"]) == {"primary", "secondary", "by benchmark"}
    assert table.filter(pl.col("family") == "primary").height == 1
    assert (table["p_holm"] >= table["p"]).all()
    info = json.loads(rows[0]["info_json"])
    assert len(info["seed_values"]) == 2
    assert sum(info["seed_values"]) / 2 == pytest.approx(rows[0]["value"])


def test_prompts_that_only_one_has_are_left_out_and_counted() -> None:
    a = rollouts("sft")
    rows = compare(a, rollouts("grpo").filter(pl.col("prompt_id") != "p003"), FAST)
    assert (rows[0]["n_problems"], json.loads(rows[0]["info_json"])["unmatched_prompts"]) == (11, 1)
    with pytest.raises(ValueError, match="share no prompt"):
        compare(a, a.with_columns(("x" + pl.col("prompt_id")).alias("prompt_id")), FAST)


def test_support_of_a_policy_against_itself_has_no_gain() -> None:
    samples = rollouts("sft", problems=40)
    rows = support_table(samples, samples)
    assert [(r["at_least"], r["subset"], r["k"]) for r in rows[:3]] == [
        (1, "all", 16),
        (1, "half", 8),
        (1, "control", 8),
    ]
    assert (rows[0]["expanded"], rows[0]["shrunk"]) == (0, 0)
    assert rows[2]["expanded"] == rows[2]["shrunk"] > 0
    assert rows[0]["detection_floor"] < rows[1]["detection_floor"]


def test_support_needs_equal_numbers_of_samples() -> None:
    with pytest.raises(ValueError, match="one n"):
        support_table(rollouts("sft"), rollouts("grpo", samples=8))


def test_crossover_is_that_of_the_counts() -> None:
    found = crossover_of(rollouts("sft"), rollouts("grpo", gain=-0.1), FAST)
    assert found.k == 1
