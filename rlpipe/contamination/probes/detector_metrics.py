"""From scores to metrics: every detector's AUC under the run and under the control, and their paired difference.

The control is the policy before reinforcement learning, asked about the same prompts. It has seen none of them, so it
must sit at chance; where it does not, the members differ from the non-members by more than training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from rlpipe.contamination.probes.detectors import DETECTORS, MEMBER, NONMEMBER, SUSPECT
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.evaluate import metric_row
from rlpipe.evaluate.metric_row import ALL, stable
from rlpipe.statistics.auc import (
    Interval,
    bootstrap,
    delong,
    mean_over_sources,
    planning_se,
    roc,
    roc_points,
    wins,
)

SPLITS = {MEMBER: "train", SUSPECT: "test"}
Scores = Mapping[str, float]


@dataclass(frozen=True)
class ScoreTable:
    """Directed scores by model, detector and prompt (larger: more suspicious; no NaN), and what the prompts are."""

    scores: Mapping[tuple[str, str], Scores]
    role: Mapping[str, str]
    source: Mapping[str, str]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> ScoreTable:
        """From the rows of `score_probes`."""
        scores: dict[tuple[str, str], dict[str, float]] = {}
        for row in rows:
            found = scores.setdefault((row["model_id"], row["method"]), {})
            if row["score"] is not None:
                found[row["eval_id"]] = row["direction"] * row["score"]
        role = {r["eval_id"]: json.loads(r["info_json"])["role"] for r in rows}
        return cls(scores, role, {r["eval_id"]: r["eval_set"] for r in rows})

    def prompts(self, role: str, source: str = ALL) -> list[str]:
        """Ids of the prompts of a role (and source), sorted."""
        return sorted(p for p, r in self.role.items() if r == role and source in (ALL, self.source[p]))

    def sources(self) -> list[str]:
        return sorted(set(self.source.values()))

    def classes(self, model: str, method: str, role: str, source: str = ALL) -> tuple[list[str], list[str]]:
        """Ids with a score: of the role, and of the non-members."""
        found = self.scores.get((model, method), {})
        pair = (self.prompts(name, source) for name in (role, NONMEMBER))
        positive, negative = ([p for p in ids if p in found] for ids in pair)
        return positive, negative

    def values(self, model: str, method: str, prompts: Sequence[str]) -> list[float]:
        return [self.scores[model, method][p] for p in prompts]


@dataclass(frozen=True)
class Detection:
    """What one detector finds between `role` and non-members of a benchmark, under one policy."""

    method: str
    role: str
    benchmark: str
    n1: int
    n0: int
    dropped: int
    auc: Interval  # bootstrap bounds
    delong: Interval
    p: float  # of the Mann-Whitney test that the role scores higher


def detect(
    table: ScoreTable, model: str, method: str, role: str, settings: ContaminationSettings, benchmark: str = ALL
) -> Detection | None:
    """None where a class has no score."""
    positive, negative = table.classes(model, method, role, benchmark)
    if not positive or not negative:
        return None
    a, b = table.values(model, method, positive), table.values(model, method, negative)
    asked = len(table.prompts(role, benchmark)) + len(table.prompts(NONMEMBER, benchmark))
    return Detection(
        method,
        role,
        benchmark,
        len(a),
        len(b),
        asked - len(a) - len(b),
        bootstrap(wins(a, b), settings.bootstrap_draws, settings.confidence, settings.seed),
        delong(a, b, settings.confidence),
        float(mannwhitneyu(a, b, alternative="greater").pvalue) if len(set(a + b)) > 1 else 1.0,
    )


def difference(
    table: ScoreTable,
    models: tuple[str, str],
    method: str,
    role: str,
    settings: ContaminationSettings,
    benchmark: str = ALL,
) -> tuple[Interval, int, int] | None:
    """AUC under the first policy minus AUC under the second, on the prompts that both have scores of; n1 and n0.

    Members and non-members are resampled together for both policies, so what they share cancels.
    """
    classes = [table.classes(m, method, role, benchmark) for m in models]
    positive, negative = (sorted(set(classes[0][i]) & set(classes[1][i])) for i in (0, 1))
    if not positive or not negative:
        return None
    first, second = (wins(*(table.values(m, method, ids) for ids in (positive, negative))) for m in models)
    found = bootstrap(first - second, settings.bootstrap_draws, settings.confidence, settings.seed)
    return found, len(positive), len(negative)


def metric_rows(
    table: ScoreTable, run_id: str, model: str, control: str | None, settings: ContaminationSettings, **common: Any
) -> list[dict[str, Any]]:
    """Rows of schema eval/1 for both policies: `auc:`, `tpr@5%fpr:`, `f1:`, `f1_youden:`, `mean_source_auc:` and
    `diff:auc:` (run minus control) of every detector, over all sources and by source.

    `split` is `train` for members against non-members and `test` for suspects against non-members. `common` goes into
    every row.
    """
    benchmarks = [ALL, *(table.sources() if len(table.sources()) > 1 else [])]
    rows: list[dict[str, Any]] = []
    for role in (MEMBER, SUSPECT):
        for benchmark in benchmarks:
            for method in DETECTORS:
                for name in (model, control):
                    found = detect(table, name, method, role, settings, benchmark) if name else None
                    if name and found:
                        rows += [{"model_id": name, **r} for r in _single(table, name, found, settings)]
                if control:
                    rows += _paired(table, (model, control), method, role, settings, benchmark)
    shared = {"run_id": run_id, "n_samples": settings.samples + 3, "seed": settings.seed, **common}
    return [stable({**shared, **r}) for r in rows]


def _single(table: ScoreTable, model: str, d: Detection, settings: ContaminationSettings) -> list[dict[str, Any]]:
    positive, negative = table.classes(model, d.method, d.role, d.benchmark)
    curve = roc(table.values(model, d.method, positive), table.values(model, d.method, negative))
    best, at = curve.best_f1()
    youden, youden_at, youden_f1 = curve.youden()
    sizes = _sizes(d)
    found: dict[str, tuple[float, dict[str, Any]]] = {
        "tpr@5%fpr": (curve.tpr_at(), {**sizes, "false_alarms_allowed": (d.n0 - 1) // 20}),
        "f1": (best, {**sizes, "threshold": at}),
        "f1_youden": (youden_f1, {**sizes, "threshold": youden_at, "youden": youden}),
    }
    if d.benchmark == ALL and len(table.sources()) > 1:
        pairs = ([(table.source[p], table.scores[model, d.method][p]) for p in ids] for ids in (positive, negative))
        found["mean_source_auc"] = (mean_over_sources(*pairs), sizes)
    rows = [_area(d, settings)]
    for name, (value, info) in found.items():
        rows.append({"metric": f"{name}:{d.method}", "value": value, "info_json": to_json(info)})
    base = {"benchmark": d.benchmark, "split": SPLITS[d.role], "n_problems": d.n1 + d.n0, "ci_method": "none"}
    return [{**base, **row} for row in rows]


def _sizes(d: Detection) -> dict[str, Any]:
    return {"n_members": d.n1, "n_nonmembers": d.n0, "n_dropped": d.dropped}


def _area(d: Detection, settings: ContaminationSettings) -> dict[str, Any]:
    """The AUC with its bootstrap interval, DeLong's beside it."""
    info = {
        **_sizes(d),
        "direction": DETECTORS[d.method].direction,
        "role": d.role,
        "one_minus_auc": 1 - d.auc.value,
        "bootstrap_se": d.auc.se,
        "delong_lo": d.delong.lo,
        "delong_hi": d.delong.hi,
        "planning_se_at_chance": planning_se(0.5, d.n1, d.n0),
        "mann_whitney_p": d.p,
        "exploratory": min(d.n1, d.n0) < settings.exploratory_below,
    }
    return {
        "metric": f"auc:{d.method}",
        "value": d.auc.value,
        "se": d.delong.se,
        "ci_lo": d.auc.lo,
        "ci_hi": d.auc.hi,
        "ci_method": "bootstrap_stratified",
        "n_boot": settings.bootstrap_draws,
        "info_json": to_json(info),
    }


def _paired(
    table: ScoreTable,
    models: tuple[str, str],
    method: str,
    role: str,
    settings: ContaminationSettings,
    benchmark: str,
) -> list[dict[str, Any]]:
    found = difference(table, models, method, role, settings, benchmark)
    if found is None:
        return []
    interval, n1, n0 = found
    return [
        {
            "model_id": models[0],
            "benchmark": benchmark,
            "split": SPLITS[role],
            "metric": f"diff:auc:{method}",
            "value": interval.value,
            "se": interval.se,
            "ci_lo": interval.lo,
            "ci_hi": interval.hi,
            "ci_method": "bootstrap_stratified_paired",
            "n_boot": settings.bootstrap_draws,
            "n_problems": n1 + n0,
            "info_json": to_json({"other": models[1], "role": role, "n_members": n1, "n_nonmembers": n0}),
        }
    ]


def roc_rows(table: ScoreTable, models: Sequence[str], role: str = MEMBER) -> list[dict[str, Any]]:
    """ROC curves of every detector over all sources, as rows `{model_id, method, title, fpr, tpr, threshold}`."""
    rows = []
    for model in models:
        for detector in DETECTORS.values():
            positive, negative = table.classes(model, detector.name, role)
            if positive and negative:
                a, b = (table.values(model, detector.name, ids) for ids in (positive, negative))
                label = {"model_id": model, "method": detector.name, "title": detector.title}
                rows += [{**label, **point} for point in roc_points(a, b)]
    return rows


def to_json(value: Mapping[str, Any]) -> str:
    """Sorted keys; NaN becomes null, as not every reader of JSON knows it."""
    return metric_row.to_json({k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in value.items()})
