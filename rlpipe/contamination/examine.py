"""The examination of a policy: probes, completion and drift under it and under its control, then metrics and
verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import torch

from rlpipe import artifacts
from rlpipe.contamination.drift.frozen_sets import Watched
from rlpipe.contamination.drift.watch import Alarm, alarms, costs
from rlpipe.contamination.probes.completion import complete
from rlpipe.contamination.probes.completion_rate import Completed, rate
from rlpipe.contamination.probes.detector_metrics import ScoreTable, detect, difference, metric_rows, to_json
from rlpipe.contamination.probes.detectors import DETECTORS, MEMBER, SUSPECT, score_probes
from rlpipe.contamination.probes.probe import Judge, Probed, Subject, probe
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.contamination.verdict import Copies, Evidence, Finding, Verdict, verdict
from rlpipe.evaluate.metric_row import ALL, stable
from rlpipe.progress import progress
from rlpipe.types import Prompt

Load = Callable[[], Subject]


@dataclass(frozen=True)
class Plan:
    """Who is asked what. `control` is the policy before training; without it nothing can be called contaminated."""

    run_id: str
    subject: Load
    control: Load | None
    probed: Sequence[Probed]
    benchmark: Sequence[Prompt] = ()  # for the completion probe
    watched: Sequence[Watched] = ()  # for the drift alarm
    checkpoints: Sequence[Load] = ()  # policies on the way, in order; the drift alarm looks at each
    judge: Judge | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)  # into the row `exposure`


@dataclass(frozen=True)
class Observed:
    """What one policy said."""

    model_id: str
    probes: list[dict[str, Any]]
    completed: list[Completed]
    costs: list[float]


@dataclass(frozen=True)
class Look:
    """The drift alarm at one checkpoint: the steps of training behind it, and the cost of each frozen prompt."""

    step: int | None
    costs: list[float]
    alarm: Alarm


@dataclass(frozen=True)
class Examination:
    """The tables of the artifact, and what the verdict is made of."""

    probes: pl.DataFrame
    metrics: list[dict[str, Any]]
    table: ScoreTable
    subject: Observed
    control: Observed | None
    looks: list[Look]  # at the checkpoints on the way, and at the end; empty without a control


def observe(load: Load, plan: Plan, settings: ContaminationSettings) -> Observed:
    """Load one policy, ask it everything, and let go of it."""
    subject = load()
    with torch.inference_mode():
        probes = probe(subject, plan.probed, settings, plan.judge)
        completed = complete(subject, plan.benchmark, settings.completion.shown)
        cost = costs(subject, plan.watched, settings.max_new_tokens, plan.judge)
    return Observed(subject.model_id, probes, completed, cost)


def observe_costs(load: Load, plan: Plan, settings: ContaminationSettings) -> tuple[int | None, list[float]]:
    """Steps of a policy and its cost on every frozen prompt."""
    subject = load()
    with torch.inference_mode():
        return subject.step, costs(subject, plan.watched, settings.max_new_tokens, plan.judge)


def examine(plan: Plan, settings: ContaminationSettings) -> Examination:
    """Ask both policies, score, and compare. Everything after the raw paths is computed from what the file will
    hold.
    """
    torch.set_num_threads(settings.threads)
    loads = [plan.subject, *([plan.control] if plan.control else [])]
    watching = list(plan.checkpoints) if plan.control and plan.watched else []
    observed = []
    with progress(len(loads) + len(watching), f"contamination {plan.run_id}") as reporter:
        for load in loads:
            observed.append(observe(load, plan, settings))
            reporter.advance(1, prompts=len(plan.probed))
        on_the_way = []
        for load in watching:
            on_the_way.append(observe_costs(load, plan, settings))
            reporter.advance(1, prompts=len(plan.watched))
    rows = [row for o in observed for row in o.probes]
    frame = pl.DataFrame(pl.from_arrow(artifacts.to_table(rows, artifacts.PROBES)))
    table = ScoreTable.of(score_probes(frame))
    subject, control = observed[0], observed[1] if plan.control else None
    step = subject.probes[0]["policy_step"] if subject.probes else None
    common = {"policy_step": step, "sampling_json": _sampling(settings)}
    metrics = metric_rows(
        table, plan.run_id, subject.model_id, control.model_id if control else None, settings, **common
    )
    looks = _looks([*on_the_way, (step, subject.costs)], control, settings)
    own = [*_exposure_rows(plan), *_completion_rows(observed, settings), *_drift_rows(looks, control, plan, settings)]
    shared = {"run_id": plan.run_id, "seed": settings.seed, "n_samples": 1, **common}
    metrics += [stable({**shared, **row}) for row in own]
    return Examination(frame, metrics, table, subject, control, looks)


def _sampling(settings: ContaminationSettings) -> str:
    keys = ("temperature", "top_p", "samples", "max_new_tokens", "topk", "noise")
    chosen = {key: getattr(settings, key) for key in keys}
    return to_json({**chosen, "second_cap": settings.second_cap, "second_response": settings.second_response.kind})


def _looks(
    found: Sequence[tuple[int | None, list[float]]], control: Observed | None, settings: ContaminationSettings
) -> list[Look]:
    if control is None or not control.costs:
        return []
    tested = alarms(control.costs, [cost for _, cost in found], settings.drift.delta, settings.drift.tolerance)
    return [Look(step, cost, result) for (step, cost), result in zip(found, tested, strict=True)]


def _exposure_rows(plan: Plan) -> list[dict[str, Any]]:
    """How often members were trained on: without it an AUC cannot be read."""
    met = [p.exposures for p in plan.probed if p.role == MEMBER and p.exposures is not None]
    if not met:
        return []
    info = {"smallest": min(met), "largest": max(met), **plan.facts}
    base = {"model_id": plan.run_id, "benchmark": ALL, "split": "train", "metric": "exposure", "ci_method": "none"}
    return [{**base, "value": sum(met) / len(met), "n_problems": len(met), "info_json": to_json(info)}]


def _completion_rows(observed: Sequence[Observed], settings: ContaminationSettings) -> list[dict[str, Any]]:
    rows = []
    for o in observed:
        for source in sorted({c.source for c in o.completed}):
            found = rate([c for c in o.completed if c.source == source], settings.confidence)
            assert found is not None
            numbers = {"value": found.value, "ci_lo": found.lo, "ci_hi": found.hi, "n_problems": found.n}
            info = to_json({"exact": found.exact, "shown": settings.completion.shown})
            rows.append(
                {"model_id": o.model_id, "benchmark": source, "split": settings.benchmark_split, "metric": "completion"}
                | {"ci_method": "mid_p", **numbers, "info_json": info}
            )
    return rows


def _drift_rows(
    looks: Sequence[Look], control: Observed | None, plan: Plan, settings: ContaminationSettings
) -> list[dict[str, Any]]:
    """`drift:<set>` at every checkpoint: rise in cost over the control; bounds are the one-sided ones of the alarm."""
    if control is None:
        return []
    base = {"model_id": plan.run_id, "benchmark": "frozen", "metric": f"drift:{settings.drift.frozen}"}
    kinds = sorted({w.kind for w in plan.watched})
    rows = []
    for look in looks:
        found = look.alarm
        info = {"state": found.state, "alarm": found.raised, "tolerance": found.tolerance}
        info |= {"delta": settings.drift.delta, "looks": len(looks), "cost_before": _mean(control.costs)}
        info |= {
            f"cost_{k}": _mean([c for c, w in zip(look.costs, plan.watched, strict=True) if w.kind == k]) for k in kinds
        }
        bounds = {"value": found.rise, "ci_lo": found.lower, "ci_hi": found.upper, "n_problems": found.n}
        step = {"policy_step": look.step, "ci_method": "hc_rlhf_one_sided"}
        rows.append({**base, **step, **bounds, "info_json": to_json(info)})
    return rows


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def verdicts(
    found: Examination,
    copies: Mapping[str, Copies] | None,
    benchmarks: Sequence[str],
    settings: ContaminationSettings,
    role: str = SUSPECT,
) -> list[Verdict]:
    """One per benchmark (a data source of the evaluation split), from everything the examination saw.

    `role` is what its prompts were probed as.
    """
    return [verdict(_evidence(found, copies, b, settings, role), settings) for b in benchmarks]


def _evidence(
    found: Examination, copies: Mapping[str, Copies] | None, benchmark: str, settings: ContaminationSettings, role: str
) -> Evidence:
    findings = {method: _finding(found, method, role, benchmark, settings) for method in DETECTORS}
    primary = findings.pop(settings.primary)
    power = detect(found.table, found.subject.model_id, settings.primary, MEMBER, settings, benchmark)
    own = [c for c in found.subject.completed if c.source == benchmark]
    before = [c for c in found.control.completed if c.source == benchmark] if found.control else []
    return Evidence(
        benchmark,
        copies.get(benchmark) if copies is not None else None,
        primary,
        [f for f in findings.values() if f is not None],
        power.auc if power and role != MEMBER else None,
        rate(own, settings.confidence),
        rate(before, settings.confidence),
    )


def _finding(
    found: Examination, method: str, role: str, benchmark: str, settings: ContaminationSettings
) -> Finding | None:
    table, model = found.table, found.subject.model_id
    run = detect(table, model, method, role, settings, benchmark)
    if run is None:
        return None
    before, rise = None, None
    if found.control is not None:
        control = found.control.model_id
        before = detect(table, control, method, role, settings, benchmark)
        rise = difference(table, (model, control), method, role, settings, benchmark)
    title = DETECTORS[method].title
    return Finding(title, run.n1, run.n0, run.auc, before.auc if before else None, rise[0] if rise else None, run.p)


def write(out: Path, found: Examination) -> None:
    """`probes.parquet` and `metrics.parquet`; `overlap.parquet` is written where the overlap is known."""
    artifacts.write(out / "probes.parquet", artifacts.PROBES, found.probes)
    artifacts.write(out / "metrics.parquet", artifacts.EVAL, found.metrics)
