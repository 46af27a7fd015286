"""How often math-verify disagrees with the exact comparison, on the share of answers that both have judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from rlpipe.statistics.proportion import proportion

METRIC = "cross_check_disagreement"


def disagreement(samples: pl.DataFrame, confidence: float) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """(data source, None for all; the numbers of its row of eval/1), of sources with an answer judged twice.

    `samples` are rollouts/1 as `evaluate.sample` writes them: the second judgement stands in `info_json`. The interval is
    over answers: it says how often the two differ on answers like these, not how it spreads over prompts.
    """
    if "info_json" not in samples.columns:
        return
    info = pl.col("info_json")
    both = samples.filter(info.str.contains('"second"')).with_columns(
        info.str.json_path_match("$.second").alias("second")
    )
    both = both.filter(pl.col("second").is_in(["ok", "wrong"]))
    if both.is_empty():
        return
    yield None, _numbers(both, confidence)
    for (source,), part in both.sort("data_source", maintain_order=True).group_by("data_source", maintain_order=True):
        yield str(source), _numbers(part, confidence)


def _numbers(both: pl.DataFrame, confidence: float) -> dict[str, Any]:
    asked = len(both)
    differ = int(((both["second"] == "ok") != both["acc"]).sum())
    low, high = proportion(differ, asked, confidence)
    numbers = {"value": differ / asked, "se": None, "ci_lo": low, "ci_hi": high, "ci_method": "mid_p", "n_boot": 0}
    return numbers | {"n_problems": both["prompt_id"].n_unique(), "info": {"asked": asked, "disagreed": differ}}
