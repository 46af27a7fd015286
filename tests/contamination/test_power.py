"""Power: planned and simulated agree, the curve is read off metrics, and a planted effect is found end to end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from rlpipe.contamination.members.power import exposure_rows, power_curve
from rlpipe.contamination.probes.detector_metrics import ScoreTable, detect, difference, metric_rows, roc_rows
from rlpipe.contamination.probes.detectors import DETECTORS
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.statistics import auc as metrics

SETTINGS = ContaminationSettings(bootstrap_draws=200)


def score_rows(effect: float, n: int, rng: np.random.Generator, model: str = "r/seed-0") -> Iterator[dict[str, object]]:
    """Rows as `score_probes` makes them, of detectors that see `effect` standard deviations, the right way round."""
    shape = [("member", effect), ("nonmember", 0.0), ("suspect", 0.0)]
    for role, shift in shape:
        for i in range(n):
            for detector in DETECTORS.values():
                yield {
                    "model_id": model,
                    "method": detector.name,
                    "eval_id": f"{role}{i:03d}",
                    "eval_set": "a" if i % 2 else "b",
                    "score": detector.direction * float(rng.normal(shift)),
                    "direction": detector.direction,
                    "info_json": json.dumps({"role": role}),
                }


def planned_power(area: float, n1: int, n0: int, confidence: float = 0.95) -> float:
    """Chance that the interval of a detector whose true AUC is `area` lies above 0.5.

    Normal approximation with the planning error at that AUC; at 0.5 it is the rate of false alarms, half of
    1 - `confidence`.
    Source: Hanley and McNeil, Radiology 143, 1982.
    """
    z = float(norm.ppf(0.5 + confidence / 2))
    return float(norm.sf(z - (area - 0.5) / metrics.planning_se(area, n1, n0)))


@pytest.mark.parametrize(("n", "expected"), [(15, 0.107152), (50, 0.058023)])
def test_planned_power_at_chance_is_the_rate_of_false_alarms(n: int, expected: float) -> None:
    assert metrics.planning_se(0.5, n, n) == pytest.approx(expected, abs=1e-6)
    assert planned_power(0.5, n, n) == pytest.approx(0.025)


@pytest.mark.parametrize("area", [0.5, 0.62, 0.7])
def test_simulated_scores_are_found_as_often_as_planned(area: float) -> None:
    shift, n, repeats = float(norm.ppf(area)) * np.sqrt(2), 60, 200
    rng = np.random.default_rng(int(area * 100))
    seen = 0
    for i in range(repeats):
        comparison = metrics.wins(rng.normal(shift, 1, n), rng.normal(0, 1, n))
        seen += metrics.bootstrap(comparison, 200, 0.95, seed=i).lo > 0.5
    assert seen / repeats == pytest.approx(planned_power(area, n, n), abs=0.1)


def test_directions_are_applied_and_a_planted_effect_is_found_by_every_detector() -> None:
    rng = np.random.default_rng(0)
    rows = [*score_rows(1.0, 60, rng), *score_rows(0.0, 60, rng, model="sft")]
    table = ScoreTable.of(rows)
    for method in DETECTORS:
        run, control = (detect(table, m, method, "member", SETTINGS) for m in ("r/seed-0", "sft"))
        assert run is not None
        assert control is not None
        assert run.auc.lo > 0.5 > control.auc.lo - 0.1
        rise = difference(table, ("r/seed-0", "sft"), method, "member", SETTINGS)
        assert rise is not None
        assert rise[0].lo > 0
        suspects = detect(table, "r/seed-0", method, "suspect", SETTINGS)
        assert suspects is not None
        assert suspects.auc.lo < 0.55


def test_scores_that_are_missing_are_dropped_and_counted() -> None:
    rows = list(score_rows(1.0, 10, np.random.default_rng(1)))
    for row in rows:
        if row["method"] == "min_k" and row["eval_id"] in ("member000", "nonmember001", "nonmember002"):
            row["score"] = None
        if row["method"] == "cdd":
            row["score"] = None
    table = ScoreTable.of(rows)
    found = detect(table, "r/seed-0", "min_k", "member", SETTINGS)
    assert found is not None
    assert (found.n1, found.n0, found.dropped) == (9, 8, 3)
    assert detect(table, "r/seed-0", "cdd", "member", SETTINGS) is None
    assert not [r for r in metric_rows(table, "r/seed-0", "r/seed-0", None, SETTINGS) if r["metric"].endswith(":cdd")]
    assert {r["method"] for r in roc_rows(table, ["r/seed-0"])} == set(DETECTORS) - {"cdd"}


def test_constant_scores_are_at_chance() -> None:
    rows = [{**r, "score": 1.0} for r in score_rows(0.0, 5, np.random.default_rng(2))]
    found = detect(ScoreTable.of(rows), "r/seed-0", "ppl", "member", SETTINGS)
    assert found is not None
    assert (found.auc.value, found.auc.lo, found.auc.hi, found.p) == (0.5, 0.5, 0.5, 1.0)


def test_sources_are_measured_apart_and_averaged() -> None:
    table = ScoreTable.of(list(score_rows(1.0, 20, np.random.default_rng(3))))
    rows = metric_rows(table, "r/seed-0", "r/seed-0", None, SETTINGS)
    by_source = {r["benchmark"]: r["value"] for r in rows if r["metric"] == "auc:ppl" and r["split"] == "train"}
    assert set(by_source) == {"all", "a", "b"}
    mean = [r["value"] for r in rows if r["metric"] == "mean_source_auc:ppl" and r["split"] == "train"]
    assert mean == [pytest.approx((by_source["a"] + by_source["b"]) / 2)]


def planted(run: str, seed: int, epochs: int, area: float, lo: float) -> pl.DataFrame:
    base = {"run_id": f"{run}/seed-{seed}", "benchmark": "all", "split": "train", "ci_lo": lo, "ci_hi": 0.9}
    info = json.dumps({"plant_epochs": epochs, "plant_members": 96})
    met = {**base, "model_id": base["run_id"], "metric": "exposure", "value": float(epochs), "info_json": info}
    own = {**base, "model_id": base["run_id"], "metric": "auc:ppl", "value": area, "info_json": "{}"}
    return pl.DataFrame([met, own, {**own, "model_id": "sft", "value": 0.1}])


def test_power_curve_over_seeds_and_epochs() -> None:
    frames = [
        *(planted("twin", s, 0, 0.50 + 0.01 * s, 0.40) for s in range(3)),
        *(planted("heavy", s, 32, 0.70 + 0.01 * s, lo) for s, lo in enumerate((0.6, 0.5, 0.51))),
        planted("light", 7, 4, 0.55, 0.45),
        planted("ordinary", 0, 0, 0.9, 0.8).with_columns(info_json=pl.lit("{}")),
    ]
    rows = exposure_rows(frames)
    assert len(rows) == 7
    assert {r["auc"] for r in rows} == {0.50, 0.51, 0.52, 0.70, 0.71, 0.72, 0.55}
    twin, light, heavy = power_curve(rows)
    assert (twin["epochs"], twin["auc"], twin["power"], twin["rise"]) == (0, pytest.approx(0.51), 0.0, None)
    assert (heavy["epochs"], heavy["n"], heavy["power"]) == (32, 3, pytest.approx(2 / 3))  # a bound at 0.5 is chance
    assert heavy["rise"] == pytest.approx(0.20)
    assert heavy["rise_hi"] - heavy["rise_lo"] == pytest.approx(0.0, abs=1e-9)  # seeds rise alike
    assert heavy["auc_hi"] > heavy["auc"] > heavy["auc_lo"]
    assert (light["rise"], light["auc_lo"]) == (None, None)  # no twin with its seed, one seed
