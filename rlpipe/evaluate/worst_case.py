"""The worst case on the way through a run, from rollouts of the policies kept: drops that the last one hides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from rlpipe import artifacts
from rlpipe.evaluate.metric_row import ALL, Row, stable, to_json
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.statistics.reliability.stability import (
    cross_fitted_drawdown,
    learned_at,
    minimum_after,
    windowed_forgetting,
)

PREFIX = "kept:"
COLUMNS = ("prompt_id", "data_source", "difficulty", "sample_index", "acc")


def stability_rows(kept: Mapping[int, Path], last: Path, settings: EvaluateSettings) -> Iterator[Row]:
    """Rows of eval/1: `kept:accuracy` by task and step, and per task its least accuracy after it was learned and its
    largest fall, by its face and cross-fitted. A task is a source and level; all of them are trained on at once.

    The last policy counts with as many rollouts per prompt as the others.
    """
    tables = [(step, artifacts.read(path, artifacts.ROLLOUTS, COLUMNS)) for step, path in sorted(kept.items())]
    final = artifacts.read(last, artifacts.ROLLOUTS, (*COLUMNS, "policy_step"))
    tables.append((int(final["policy_step"][0]), final.filter(pl.col("sample_index") < settings.on_the_way)))
    by_prompt = [_by_prompt(table) for _, table in tables]
    steps = [step for step, _ in tables]
    for task in [ALL, *sorted(set(by_prompt[-1]["task"]))]:
        chosen = [t if task == ALL else t.filter(pl.col("task") == task) for t in by_prompt]
        values = np.stack([t.sort("prompt_id")["acc"].to_numpy() for t in chosen])
        yield from (stable(row) for row in _of_task(task, steps, values, settings))


def _by_prompt(table: pl.DataFrame) -> pl.DataFrame:
    task = pl.concat_str("data_source", pl.col("difficulty").fill_null(""), separator=":").str.strip_chars_end(":")
    return table.group_by("prompt_id").agg(task.first().alias("task"), pl.col("acc").cast(pl.Float64).mean())


def _of_task(task: str, steps: Sequence[int], values: np.ndarray, settings: EvaluateSettings) -> Iterator[Row]:
    shared = {"benchmark": task, "k": None, "ci_method": "none", "n_problems": values.shape[1]}
    shared |= {"n_samples": settings.on_the_way}
    accuracy = values.mean(axis=1)
    for step, a in zip(steps, accuracy, strict=True):
        yield {**shared, "metric": PREFIX + "accuracy", "value": float(a), "info_json": to_json({"step": step})}
    learned = learned_at(accuracy)
    info = {"steps": list(steps), "learned_at": steps[learned], "last": float(accuracy[-1])}
    least = minimum_after(accuracy, learned)
    if least is not None:
        yield {**shared, "metric": PREFIX + "min_accuracy", "value": least, "info_json": to_json(info)}
    fitted = cross_fitted_drawdown(values, settings.seed) if values.shape[1] > 1 else None
    info |= {"cross_fitted": fitted}
    yield {
        **shared,
        "metric": PREFIX + "drawdown",
        "value": windowed_forgetting(accuracy),
        "info_json": to_json(info),
    }
