"""The random-reward control flags a benchmark whose gain no reward explains."""

from __future__ import annotations

import json

import polars as pl
import pytest

from rlpipe.statistics.random_reward import Gain, flagged, gains, gains_of_metrics


def samples(shares: dict[str, list[int]], n: int = 10) -> pl.DataFrame:
    rows = [
        {"data_source": source, "prompt_id": f"{source}{i}", "acc": j < right}
        for source, counts in shares.items()
        for i, right in enumerate(counts)
        for j in range(n)
    ]
    return pl.DataFrame(rows)


BEFORE = samples({"known": [1, 2, 3, 2, 1, 2, 3, 2], "new": [1, 2, 3, 2, 1, 2, 3, 2]})
AFTER = samples({"known": [4, 6, 6, 5, 5, 6, 7, 5], "new": [2, 1, 3, 2, 2, 1, 2, 3]})


def test_only_the_benchmark_whose_interval_is_above_zero_is_flagged() -> None:
    found = gains(BEFORE, AFTER, draws=500)
    assert [(g.benchmark, g.n) for g in found] == [("known", 8), ("new", 8)]
    assert found[0].value == pytest.approx(0.35)
    assert found[1].value == pytest.approx(0.0)
    assert flagged(found) == ["known"]


@pytest.mark.parametrize(("lo", "expected"), [(0.01, True), (0.0, False), (-0.1, False), (None, False)])
def test_a_bound_at_zero_is_no_gain(lo: float | None, expected: bool) -> None:
    assert Gain("b", 0.1, lo, 0.2, 5).flagged is expected


def test_tables_without_a_common_prompt_are_refused() -> None:
    with pytest.raises(ValueError, match="share no prompt"):
        gains(BEFORE, AFTER.with_columns(prompt_id=pl.lit("x")))


def test_gains_from_rows_of_the_evaluation() -> None:
    def row(run: str, other: str, metric: str = "diff:pass@k", k: int = 1) -> dict[str, object]:
        numbers = {"value": 0.1, "ci_lo": 0.05, "ci_hi": 0.15, "n_problems": 40}
        info = json.dumps({"other": other})
        return {"run_id": run, "benchmark": "b", "metric": metric, "k": k, "info_json": info, **numbers}

    rows = [
        row("random", "sft"),
        row("random", "grpo"),
        row("grpo", "sft"),
        row("random", "sft", k=4),
        row("random", "sft", metric="pass@k"),
    ]
    assert gains_of_metrics(rows, "random", "sft") == [Gain("b", 0.1, 0.05, 0.15, 40)]
    assert flagged(gains_of_metrics(rows, "random", "sft")) == ["b"]
    assert gains_of_metrics([row("random/seed-0", "sft")], "random", "sft")
