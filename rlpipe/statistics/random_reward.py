"""The random-reward control: a benchmark that improves although rewards were coin flips was not learnt, it was known.

A run whose rewards carry no information cannot teach anything about a task. Where its score rises nevertheless, the
gain comes from something the policy brought along: a memorised benchmark, or a format it was about to find anyway.

Source: arXiv:2507.10532, where random rewards raise Qwen2.5 on MATH-500 and not on data made after its training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from rlpipe.statistics.paired import paired


@dataclass(frozen=True)
class Gain:
    """Change of the mean score of a benchmark under random rewards, with its interval over prompts and, where it was
    tested, the two-sided p-value."""

    benchmark: str
    value: float
    lo: float | None
    hi: float | None
    n: int
    p: float | None = None
    confidence: float = 0.95

    @property
    def flagged(self) -> bool:
        """The interval lies above 0, and the test, where there is one, agrees."""
        surely = self.p is None or self.p <= 1 - self.confidence
        return self.lo is not None and self.lo > 0 and surely


def gains(
    before: pl.DataFrame, after: pl.DataFrame, confidence: float = 0.95, draws: int = 10_000, seed: int = 0
) -> list[Gain]:
    """By data source, of samples of the same prompts (schema rollouts/1) under the warm-up and under the control run.

    A prompt's score is its share of right samples. Sources in alphabetical order.

    Raises: ValueError if the two tables have no prompt in common.
    """
    keys = ["data_source", "prompt_id"]
    mean = pl.col("acc").cast(pl.Float64).mean()
    both = (
        before.group_by(keys).agg(mean.alias("before")).join(after.group_by(keys).agg(mean.alias("after")), on=keys)
    ).sort(keys)
    if both.is_empty():
        raise ValueError("random-reward control: the two tables of samples share no prompt; evaluate both on one split")
    found = []
    for (source,), part in both.group_by("data_source", maintain_order=True):
        p = paired(part["before"], part["after"], confidence=confidence, draws=draws, flips=1000, seed=seed)[0]
        found.append(Gain(str(source), p.value, p.low, p.high, len(part), p.p, confidence))
    return found


def gains_of_metrics(rows: Sequence[Mapping[str, Any]], run: str, other: str, k: int = 1) -> list[Gain]:
    """The same from comparisons in schema eval/1: pass@k of run `run` against `other`, as evaluation writes them.

    Rows `diff:pass@k` whose `run_id` is the run, or the run with its `/seed-<n>`; each such row is a gain of its own.
    """
    found = []
    for row in rows:
        if row["metric"] != "diff:pass@k" or row["k"] != k or run not in (row["run_id"], row["run_id"].split("/")[0]):
            continue
        if json.loads(row.get("info_json") or "{}").get("other") == other:
            found.append(Gain(row["benchmark"], row["value"], row["ci_lo"], row["ci_hi"], row["n_problems"]))
    return sorted(found, key=lambda g: g.benchmark)


def flagged(found: Sequence[Gain]) -> list[str]:
    """Benchmarks that improve under random rewards (interval above 0): they cannot show that a method works."""
    return sorted({g.benchmark for g in found if g.flagged})
