"""Calibration of agreement, and the worst case over kept policies, from rollouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.evaluate.agreement import agreement, calibration_rows
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.worst_case import stability_rows
from rlpipe.statistics.votes import split_vote
from tests.evaluate.rollouts import rollouts

FAST = EvaluateSettings(samples=16, on_the_way=8)


def test_the_share_is_counted_on_other_samples_than_chose_the_answer() -> None:
    answers = ["a", "b", "a", "b", "b", "b"]  # a is chosen by samples 0, 2, 4; the others say b
    assert split_vote(answers, [1, 0, 1, 0, 0, 0]) == (0.0, 1.0)
    assert split_vote(["a", "a", "b", "a"], [0, 0, 1, 0]) == (1.0, 0.0), "of tied answers the first"
    assert split_vote([None, None, "a", None, None, "a"], [0, 0, 1, 0, 0, 1]) == (2 / 3, 0.0)
    assert split_vote(["a"], [1]) is None


def test_shares_of_equal_answers_are_not_inflated() -> None:
    rng = np.random.default_rng(0)
    drawn = [list(rng.choice(4, 8, p=[0.4, 0.3, 0.2, 0.1])) for _ in range(3000)]
    shares = [split_vote(answers, [1.0] * 8)[0] for answers in drawn]  # type: ignore[index]
    naive = [max(answers.count(a) for a in answers) / 8 for answers in drawn]
    assert np.mean(naive) == pytest.approx(0.493, abs=0.01)
    assert np.mean(shares) < 0.40


def test_rows_hold_every_measure_with_its_bins() -> None:
    samples = rollouts(problems=30)
    c, y = agreement(samples)
    assert len(c) == len(y) == 30
    rows = {row["metric"]: row for row in calibration_rows(samples, FAST)}
    assert set(rows) == {f"calibration:{name}" for name in ("ece", "brier", "gap", "aurc", "auroc")}
    info = json.loads(rows["calibration:ece"]["info_json"])
    assert sum(b["n"] for b in info["bins"]) == 30
    weighted = sum(b["n"] * abs(b["share"] - b["right"]) for b in info["bins"]) / 30
    assert rows["calibration:ece"]["value"] == pytest.approx(weighted)
    assert rows["calibration:gap"]["value"] == pytest.approx(float(y.mean() - c.mean()))


def test_a_drop_on_the_way_is_seen_though_the_last_policy_has_recovered(tmp_path: Path) -> None:
    def kept(step: int, gain: float) -> Path:
        path = tmp_path / f"{step}.parquet"
        frame = rollouts(problems=40, samples=8, gain=gain, seed=step).with_columns(policy_step=pl.lit(step, pl.Int64))
        artifacts.write(path, artifacts.ROLLOUTS, frame)
        return path

    tables = {step: kept(step, gain) for step, gain in ((10, 0.3), (20, -0.3), (30, 0.2))}
    last = kept(40, 0.3)
    rows = list(stability_rows(tables, last, FAST))
    whole = {row["metric"]: row for row in rows if row["benchmark"] == "all"}
    drawdown, info = whole["kept:drawdown"]["value"], json.loads(whole["kept:drawdown"]["info_json"])
    assert info["steps"] == [10, 20, 30, 40]
    assert drawdown > 0.2
    assert info["cross_fitted"] == pytest.approx(drawdown, abs=0.05)
    assert whole["kept:min_accuracy"]["value"] < info["last"] - 0.2
    tasks = {row["benchmark"] for row in rows}
    assert tasks == {"all", *(f"rlpipe/{s}:{level}" for s in "ab" for level in ("easy", "hard"))}
    accuracies = [r for r in rows if r["metric"] == "kept:accuracy" and r["benchmark"] == "all"]
    assert [json.loads(r["info_json"])["step"] for r in accuracies] == [10, 20, 30, 40]
