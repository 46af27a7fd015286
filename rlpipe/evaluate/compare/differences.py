"""Policies against each other on the same prompts: rows `diff:<metric>` with p-values, adjusted for all looked at.

A run of several seeds is compared by its per-prompt means over seeds. The interval is over prompts and samples with the
seeds as drawn, and from three seeds on covers seeds too; every seed's own difference and their spread stand in
`info_json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rlpipe.evaluate.metric_row import ALL, Row, bounds, stable, to_json
from rlpipe.evaluate.problems import Metric, mean_over_seeds, metric, metrics_of, problem_table, read_samples
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.summaries import benchmarks
from rlpipe.statistics.paired import Paired, holm, paired
from rlpipe.statistics.seeds import covering_seeds

Samples = pl.DataFrame | Path | str


def compare(
    a: Samples | Sequence[Samples],
    b: Samples | Sequence[Samples],
    settings: EvaluateSettings,
    name_a: str = "a",
    name_b: str = "b",
) -> list[Row]:
    """What policy `b` has over `a`: rows of eval/1, one per benchmark and metric, p-values adjusted over all of them.

    `a`, `b`: rollouts (a frame or a file), or a sequence of them: the seeds of a run. Prompts that only one has are
    left out and counted.

    Raises: ArtifactError for a file of another schema; ValueError if they share no prompt.
    """
    runs = {name_a: tables(a, settings), name_b: tables(b, settings)}
    return adjust(_compare(name_a, name_b, runs, settings), settings.primary_metric)


def tables(samples: Samples | Sequence[Samples], settings: EvaluateSettings) -> list[pl.DataFrame]:
    """A problem table per seed."""
    each = [samples] if isinstance(samples, pl.DataFrame | Path | str) else list(samples)
    frames = [s if isinstance(s, pl.DataFrame) else read_samples(s, rule=settings.unusable) for s in each]
    return [problem_table(frame, settings.ks, settings.seed) for frame in frames]


def adjust(rows: Sequence[Row], primary: str) -> list[Row]:
    """The rows with Holm-adjusted p-values, in three families.

    `primary`: the metric named in advance, over all prompts; `secondary`: the other metrics over all prompts; and
    what is broken down `by benchmark`. The primary answers to its own comparisons only: looking at more costs it
    nothing.
    """
    chosen = metric(primary)
    infos = [json.loads(row["info_json"]) for row in rows]
    families = [_family(row, chosen) for row in rows]
    for family in dict.fromkeys(families):
        members = [i for i, f in enumerate(families) if f == family]
        for i, p in zip(members, holm([infos[i]["p"] for i in members]), strict=True):
            infos[i] |= {"p_holm": p, "family": family, "family_size": len(members)}
    return [{**row, "info_json": to_json(info)} for row, info in zip(rows, infos, strict=True)]


def _family(row: Row, primary: Metric) -> str:
    if row["benchmark"] != ALL:
        return "by benchmark"
    return "primary" if (row["metric"], row["k"]) == (f"diff:{primary.name}", primary.k) else "secondary"


def _compare(
    name_a: str, name_b: str, runs: Mapping[str, Sequence[pl.DataFrame]], settings: EvaluateSettings
) -> list[Row]:
    first, second = mean_over_seeds(runs[name_a]), mean_over_seeds(runs[name_b])
    a, b, unmatched = _matched(first, second)
    if a.is_empty():
        raise ValueError(f"{name_a} and {name_b} share no prompt; were they evaluated on different prompt files?")
    per_seed = [_matched(first, seed)[:2] for seed in runs[name_b]]
    repeated = [tables for tables in runs.values() if len(tables) > 1]
    rows: list[Row] = []
    for benchmark, where, part in benchmarks(b):
        keep = b["prompt_id"].is_in(part["prompt_id"].to_list())
        for m, found in _differences(a.filter(keep), part, settings).items():
            found = covering_seeds(found, _seed_means(repeated, part, m), settings.confidence, *_ends(m))
            info = dict(where) | {
                "other": name_a,
                "covers": found.covers,
                "p": found.p,
                "p_is_bound": found.bound,
                "test": found.test,
                "unmatched_prompts": unmatched,
            }
            if benchmark == ALL and len(per_seed) > 1:
                info |= _by_seed(per_seed, m)
            n = min(int(t["n"].min()) for t in (a, b))  # type: ignore[arg-type]
            rows.append(_row(name_b, benchmark, m, found, n, settings) | {"info_json": to_json(info)})
    return rows


def _row(name: str, benchmark: str, m: Metric, found: Paired, n: int, settings: EvaluateSettings) -> Row:
    return {
        "run_id": name,
        "model_id": name,
        "benchmark": benchmark,
        "metric": f"diff:{m.name}",
        "k": m.k,
        **stable(bounds(found)),
        "ci_method": found.ci_method,
        "n_boot": settings.bootstrap_draws if found.ci_method.startswith("bootstrap") else 0,
        "n_problems": found.num_problems,
        "n_samples": n,
        "seed": settings.seed,
    }


def _matched(a: pl.DataFrame, b: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """The rows of prompts that both have, in one order, and how many prompts only one has."""
    shared = sorted(set(a["prompt_id"]) & set(b["prompt_id"]))
    both = [t.filter(pl.col("prompt_id").is_in(shared)).sort("prompt_id") for t in (a, b)]
    return both[0], both[1], len(a) + len(b) - 2 * len(shared)


def _differences(a: pl.DataFrame, b: pl.DataFrame, settings: EvaluateSettings) -> dict[Metric, Paired]:
    """Of every metric both tables have, over the prompts where both have a value."""
    found: dict[Metric, Paired] = {}
    groups: dict[tuple[bool, ...], list[Metric]] = {}
    for m in metrics_of(b):
        if m.label in a.columns:
            groups.setdefault(tuple((a[m.label] + b[m.label]).is_not_null()), []).append(m)
    for known, group in groups.items():
        if any(known):
            labels, rows = [m.label for m in group], np.array(known)
            before, after = a.select(labels).to_numpy()[rows], b.select(labels).to_numpy()[rows]
            s = settings
            bounded = [m.bounded for m in group]
            each = paired(before, after, s.interval, s.confidence, s.bootstrap_draws, s.flip_draws, s.seed, bounded)
            found |= dict(zip(group, each, strict=True))
    return {m: found[m] for m in metrics_of(b) if m in found}


def _seed_means(repeated: Sequence[Sequence[pl.DataFrame]], part: pl.DataFrame, m: Metric) -> list[list[float]]:
    """The mean over the prompts of `part` of every seed, for each run that has more than one."""
    inside = pl.col("prompt_id").is_in(part["prompt_id"].to_list())
    return [[float(t.filter(inside)[m.label].mean()) for t in tables] for tables in repeated]  # type: ignore[arg-type]


def _ends(m: Metric) -> tuple[float, float]:
    """The least and the most that a difference can be."""
    return (-1.0, 1.0) if m.bounded else (-np.inf, np.inf)


def _by_seed(per_seed: Sequence[tuple[pl.DataFrame, pl.DataFrame]], m: Metric) -> dict[str, Any]:
    """The difference of each seed to the other run's mean, and their standard deviation."""
    pairs = [(a[m.label].to_numpy(), b[m.label].to_numpy()) for a, b in per_seed if m.label in b.columns]
    values = [float(np.nanmean(b - a)) for a, b in pairs]
    return {"seed_values": values, "seed_sd": float(np.std(values, ddof=1)) if len(values) > 1 else None}
