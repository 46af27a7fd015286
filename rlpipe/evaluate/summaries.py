"""From rollouts alone to rows of eval/1: every metric, over all prompts, by source, and by level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rlpipe import artifacts
from rlpipe.evaluate.agreement import calibration_rows
from rlpipe.evaluate.diversity.measures import diversity_table
from rlpipe.evaluate.metric_row import ALL, Row, bounds, stable, to_json
from rlpipe.evaluate.problems import SCORER, Metric, metrics_of, problem_table, read_samples
from rlpipe.evaluate.second_opinion import METRIC, disagreement
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.worst_case import stability_rows
from rlpipe.statistics import repeated_passes as runs
from rlpipe.statistics.intervals import Interval, interval, sampling_se, t_interval

FEW_PROBLEMS = 30  # below, the t interval is given as well


@dataclass(frozen=True)
class Evaluated:
    """A policy's rollouts, and what they come to: a row per prompt and a column per metric."""

    who: Mapping[str, Any]  # run_id, model_id and policy_step
    samples: pl.DataFrame
    table: pl.DataFrame


def policies(samples: pl.DataFrame, settings: EvaluateSettings) -> Iterator[Evaluated]:
    """Every policy (run, model, step) whose rollouts are in `samples`; with the responses, diversity is measured too.

    pass@k and its like stand in the tables for all powers of two, whatever `settings.ks` asks for.
    """
    keys = ["run_id", "model_id", "policy_step"]
    for who, part in sorted(samples.group_by(keys), key=lambda item: tuple(map(str, item[0]))):
        table = problem_table(part, seed=settings.seed)
        if "response" in part.columns and not part["response"].null_count():
            table = table.join(diversity_table(part), on="prompt_id", how="left", maintain_order="left")
        yield Evaluated(dict(zip(keys, who, strict=True)), part, table)


def summarise(evaluated: Iterable[Evaluated], settings: EvaluateSettings, split: str | None = None) -> list[Row]:
    """Rows of eval/1 for every policy."""
    return [row for policy in evaluated for row in _policy_rows(policy, settings, split)]


def benchmarks(table: pl.DataFrame) -> Iterator[tuple[str, Mapping[str, str], pl.DataFrame]]:
    """(name, what it is, its prompts): all of them, each source, and `source:level` where a source has levels."""
    yield ALL, {}, table
    for source in sorted(table["data_source"].unique()):
        rows = table.filter(pl.col("data_source") == source)
        yield source, {"data_source": source}, rows
        for level in sorted(rows["difficulty"].drop_nulls().unique()):
            where = {"data_source": source, "level": level}
            yield f"{source}:{level}", where, rows.filter(pl.col("difficulty") == level)


def intervals_of(
    table: pl.DataFrame, metrics: Sequence[Metric], settings: EvaluateSettings
) -> dict[Metric, tuple[Interval, np.ndarray]]:
    """Interval and values `[M]` of every metric, over the prompts that have one; metrics without any are left out."""
    found: dict[Metric, tuple[Interval, np.ndarray]] = {}
    for bounded in (True, False):
        chosen = [m for m in metrics if m.bounded is bounded]
        for group in _same_gaps(table, chosen):
            values = table.select(m.label for m in group).drop_nulls().to_numpy()
            s = settings
            each = interval(values, s.interval, s.confidence, s.bootstrap_draws, s.seed, bounded) if len(values) else []
            found |= {m: (each[i], values[:, i]) for i, m in enumerate(group) if each}
    return {m: found[m] for m in metrics if m in found}


def _policy_rows(policy: Evaluated, settings: EvaluateSettings, split: str | None) -> list[Row]:
    samples, table = policy.samples, policy.table
    rows: list[Row] = []
    for name, where, part in benchmarks(table):
        own = samples if name == ALL else samples.filter(pl.col("prompt_id").is_in(part["prompt_id"].to_list()))
        rows += _benchmark_rows(name, where, part, own, settings)
    rows += _passes(samples, table, settings) + _second_opinions(samples, table, settings)
    rows += calibration_rows(samples, settings)
    return [stable({**policy.who, "split": split, **row}) for row in rows]


def _benchmark_rows(
    name: str, where: Mapping[str, str], table: pl.DataFrame, samples: pl.DataFrame, settings: EvaluateSettings
) -> list[Row]:
    shared, n = _facts(name, table, samples, settings), int(table["n"].min())  # type: ignore[arg-type]
    correct = _correct(samples) if table["n"].n_unique() == 1 and n > 1 else None
    rows = []
    for m, (found, values) in intervals_of(table, _asked(table, settings), settings).items():
        info = dict(where) | _remarks(m, values, correct, n, settings.confidence)
        rows.append(
            shared | _numbers(m, found) | {"n_problems": len(values), "n_samples": n, "info_json": to_json(info)}
        )
    return rows


def _numbers(m: Metric, found: Interval) -> Row:
    return {"metric": m.name, "k": m.k, **bounds(found), "ci_method": found.method, "n_boot": found.draws}


def _remarks(m: Metric, values: np.ndarray, correct: np.ndarray | None, n: int, confidence: float) -> dict[str, Any]:
    """What stands beside the interval: t bounds for few problems, sampling noise alone, doubts, the scorer."""
    info: dict[str, Any] = {}
    if 1 < len(values) < FEW_PROBLEMS:
        low, high = t_interval(values, confidence)
        info["t_interval"] = [float(low[0]), float(high[0])]
    if correct is not None and (m.label == "pass@1" or m.name == "mean@k"):
        info["sampling_se"] = sampling_se(correct)
    if m.name in ("pass@k", "pass^k") and m.k is not None and m.k > n / 2:
        info["noisy"] = "k > n / 2: nearly all or nothing per prompt"
    if m.name == "best_of@k" or m.name == "weighted_vote":
        info["scorer"] = SCORER
    return info


def _second_opinions(samples: pl.DataFrame, table: pl.DataFrame, settings: EvaluateSettings) -> list[Row]:
    """`cross_check_disagreement`, of the sources that have answers judged twice, and of all."""
    rows, n = [], int(table["n"].min())  # type: ignore[arg-type]
    for source, numbers in disagreement(samples, settings.confidence):
        own = samples if source is None else samples.filter(pl.col("data_source") == source)
        part = table if source is None else table.filter(pl.col("data_source") == source)
        info = to_json(numbers.pop("info"))
        facts = _facts(source or ALL, part, own, settings)
        rows.append(facts | numbers | {"metric": METRIC, "n_samples": n, "info_json": info})
    return rows


def _facts(name: str, table: pl.DataFrame, samples: pl.DataFrame, settings: EvaluateSettings) -> Row:
    """The columns that all metrics of a benchmark share."""
    facts: Row = samples.select(
        pl.col("n_response_tokens").mean().alias("mean_response_tokens"),
        pl.col("n_response_tokens").cast(pl.Int64).sum().alias("total_tokens"),
    ).row(0, named=True)
    for rate in ("no_answer_rate", "truncation_rate", "verifier_error_rate"):
        unknown = table[rate].null_count() > 0
        facts[rate] = None if unknown else float(np.average(table[rate].to_numpy(), weights=table["n"].to_numpy()))
    named = {c: _joined(samples[c]) for c in ("verifier", "verifier_version", "sampling_json")}
    return {"benchmark": name, "seed": settings.seed, **facts, **named}


def _passes(samples: pl.DataFrame, table: pl.DataFrame, settings: EvaluateSettings) -> list[Row]:
    """The samples of one index are one independent pass over all prompts: what one pass would show, and the mean."""
    n = int(table["n"][0])
    if n < 2 or table["n"].n_unique() > 1:
        return []
    quality, cost = passes(samples, table)
    found = runs.summary(quality, cost, settings.confidence, seed=settings.seed)
    info = asdict(found) | {"benchmarks": sorted(quality)}
    shared = _facts(ALL, table, samples, settings) | {"metric": "mean_of_passes", "k": 1, "value": found.mean}
    shared |= {"n_problems": len(table), "n_samples": n, "n_boot": 0, "info_json": to_json(info)}
    one, mean = found.one_pass, found.mean_interval
    return [
        shared | {"ci_method": "one_pass_interval", "se": None, "ci_lo": one[0], "ci_hi": one[1], "n_boot": 1000},
        shared | {"ci_method": "interval_of_mean", "se": found.se_of_mean, "ci_lo": mean[0], "ci_hi": mean[1]},
    ]


def passes(samples: pl.DataFrame, table: pl.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray] | None]:
    """Quality (mean correct) and cost (sum of tokens; None if not recorded) `[R]` of each pass, by source and level."""
    quality, cost = {}, {}
    # A source counts by its levels where every prompt has one, else as a whole.
    by_level = {s for (s,), part in table.group_by("data_source") if part["difficulty"].null_count() == 0}
    for name, where, part in benchmarks(table):
        if name == ALL or ("level" in where) != (where["data_source"] in by_level):
            continue
        own = samples.filter(pl.col("prompt_id").is_in(part["prompt_id"].to_list()))
        quality[name] = _correct(own).mean(axis=0)
        cost[name] = _by_sample(own, "n_response_tokens").sum(axis=0)
    return quality, None if samples["n_response_tokens"].null_count() else cost


def _correct(samples: pl.DataFrame) -> np.ndarray:
    return _by_sample(samples, "acc")


def _by_sample(samples: pl.DataFrame, column: str) -> np.ndarray:
    """A column as `[M, n]`, prompts by id and samples by index; every prompt has n."""
    ordered = samples.sort("prompt_id", "sample_index", maintain_order=True)
    return ordered[column].cast(pl.Float64).to_numpy().reshape(samples["prompt_id"].n_unique(), -1)


def _same_gaps(table: pl.DataFrame, metrics: Sequence[Metric]) -> list[list[Metric]]:
    """Metrics grouped by which prompts lack a value."""
    groups: dict[tuple[bool, ...], list[Metric]] = {}
    for m in metrics:
        groups.setdefault(tuple(table[m.label].is_null()), []).append(m)
    return list(groups.values())


def _joined(column: pl.Series) -> str | None:
    return ", ".join(sorted(column.drop_nulls().unique())) or None


def _asked(table: pl.DataFrame, settings: EvaluateSettings) -> list[Metric]:
    """The metrics of a table, those by k where `settings.ks` asks for it."""
    by_k = ("pass@k", "pass^k", "majority@k", "best_of@k")
    return [m for m in metrics_of(table) if not settings.ks or m.name not in by_k or m.k in settings.ks]


def write_metrics(
    directory: Path, settings: EvaluateSettings, split: str | None = None, kept: Mapping[int, Path] | None = None
) -> list[Row]:
    """`problems.parquet` and `metrics.parquet` beside `samples.parquet`, from that file alone. Returns: the latter's rows.

    `kept`: rollouts of policies kept on the way, by step; then the worst case on the way is among the rows.

    Raises: ArtifactError for samples of another schema; ValueError for none.
    """
    found = list(policies(read_samples(directory / "samples.parquet", texts=True), settings))
    tables = [p.table.with_columns(pl.lit(value).alias(name) for name, value in p.who.items()) for p in found]
    artifacts.write(directory / "problems.parquet", artifacts.PROBLEMS, pl.concat(tables, how="diagonal_relaxed"))
    rows = summarise(found, settings, split)
    if kept:
        rows += [
            {**found[0].who, "split": split, **r} for r in stability_rows(kept, directory / "samples.parquet", settings)
        ]
    artifacts.write(directory / "metrics.parquet", artifacts.EVAL, rows)
    return rows
