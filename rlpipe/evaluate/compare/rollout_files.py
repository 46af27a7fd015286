"""Two policies compared from their rollouts alone: differences, support, crossover, noise, perplexity of outside traces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from rlpipe import artifacts
from rlpipe.evaluate.compare.before_after import crossover_of, support_table
from rlpipe.evaluate.compare.differences import compare
from rlpipe.evaluate.metric_row import ALL, Row, bounds, to_json
from rlpipe.evaluate.problems import problem_table, read_samples
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.summaries import passes
from rlpipe.evaluate.usable import Rule
from rlpipe.statistics import repeated_passes as runs
from rlpipe.statistics.paired import Paired

BASE, TRAINED = "base", "trained"
PARTS = ("preserved", "expanded", "shrunk", "out", "retention", "discovery", "dynamics", "net_change")


def compare_files(
    base: Sequence[Path],
    trained: Sequence[Path],
    out_dir: Path | str,
    settings: EvaluateSettings | None = None,
    traces: Paired | None = None,
) -> list[Row]:
    """Everything that two policies' rollouts on the same prompts say of each other; writes `metrics.parquet`.

    `base`, `trained`: files of rollouts/1, one policy each; several are the seeds of one run, compared by their means.
    Rows (eval/1) are `diff:<metric>` with p-values, `support:<part>` with the floor and the split-half control,
    `crossover`, `global_noise` and `run_noise`; with `traces`, `diff:log_perplexity`.

    Raises: ArtifactError for a file of another schema; ValueError for a file of several policies, or no shared prompt.
    """
    settings = settings or EvaluateSettings()
    frames = {
        name: [_one_policy(p, settings.unusable) for p in paths] for name, paths in ((BASE, base), (TRAINED, trained))
    }
    rows = compare(frames[BASE], frames[TRAINED], settings, BASE, TRAINED)
    shared = _shared(frames, settings)
    rows += [row for seed in frames[TRAINED] for row in _support_rows(frames[BASE][0], seed, settings, shared)]
    rows += _noise_rows(frames, shared)
    if traces is not None:
        info = {
            "p": traces.p,
            "p_is_bound": traces.bound,
            "test": traces.test,
            "other": BASE,
            "traces": traces.num_problems,
        }
        rows.append({**shared, "metric": "diff:log_perplexity", "ci_method": traces.ci_method, **bounds(traces)})
        rows[-1] |= {"n_problems": traces.num_problems, "n_samples": 1, "info_json": to_json(info)}
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    artifacts.write(Path(out_dir) / "metrics.parquet", artifacts.EVAL, rows)
    return rows


def _one_policy(path: Path, rule: Rule) -> pl.DataFrame:
    frame = read_samples(path, rule=rule)
    policies = frame.select("run_id", "model_id", "policy_step").unique().sort("policy_step")
    if len(policies) > 1:
        named = ", ".join(f"{run} step {step}" for run, _, step in policies.head(4).rows())
        raise ValueError(
            f"{path}: holds rollouts of {len(policies)} policies ({named}, ...); a comparison takes one: filter the file by "
            f"run_id and policy_step"
        )
    return frame


def _shared(frames: dict[str, list[pl.DataFrame]], settings: EvaluateSettings) -> Row:
    """What all rows but the differences have in common."""
    ids = set(frames[BASE][0]["prompt_id"]) & set(frames[TRAINED][0]["prompt_id"])
    samples = min(f.group_by("prompt_id").len()["len"].min() for side in frames.values() for f in side)  # type: ignore[type-var]
    facts = {"n_problems": len(ids), "n_samples": samples, "seed": settings.seed, "ci_method": "none", "n_boot": 0}
    return {"run_id": TRAINED, "model_id": TRAINED, "benchmark": ALL, **facts}


def _support_rows(base: pl.DataFrame, trained: pl.DataFrame, settings: EvaluateSettings, shared: Row) -> list[Row]:
    """Support and crossover of one seed; `info_json` says which rollouts were counted and what they cannot see."""
    shared = {**shared, "model_id": str(trained["model_id"][0])}
    rows: list[Row] = []
    for found in support_table(base, trained):
        facts = ("subset", "at_least", "detection_floor", "net_sd")
        info = to_json({name: found[name] for name in facts})
        rows += [
            {**shared, "metric": f"support:{p}", "k": found["k"], "value": found[p], "info_json": info} for p in PARTS
        ]
    star = crossover_of(base, trained, settings)
    numbers = {"value": star.k, "ci_lo": star.low, "ci_hi": star.high}
    info = to_json({"share_crossing": star.share_crossing, "noisy": star.noisy, "gap": star.gap})
    method = {"ci_method": "bootstrap_problem", "n_boot": settings.bootstrap_draws}
    return [*rows, {**shared, "metric": "crossover", **numbers, **method, "info_json": info}]


def _noise_rows(frames: dict[str, list[pl.DataFrame]], shared: Row) -> list[Row]:
    """Global and run noise of both sides over their passes, every seed's rollouts together; none if n differs."""
    systems: dict[str, dict[str, Any]] = {}
    for name, side in frames.items():
        each = [passes(frame, problem_table(frame))[0] for frame in side if _even(frame)]
        if len(each) != len(side):
            return []
        systems[name] = {b: [x for quality in each for x in quality[b]] for b in each[0]}
    if sorted(systems[BASE]) != sorted(systems[TRAINED]):
        return []
    rows = []
    for name, (everywhere, within) in runs.noise(systems).items():
        who = {**shared, "run_id": name, "model_id": name}
        info = to_json({"unit": "squared z over both policies", "passes": len(next(iter(systems[name].values())))})
        rows += [{**who, "metric": "global_noise", "value": everywhere, "info_json": info}]
        rows += [{**who, "metric": "run_noise", "value": within, "info_json": info}]
    return rows


def _even(frame: pl.DataFrame) -> bool:
    sizes = frame.group_by("prompt_id").len()["len"].unique()
    return len(sizes) == 1 and int(sizes[0]) > 1
