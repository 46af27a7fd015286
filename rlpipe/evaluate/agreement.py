"""Is a policy right as often as its rollouts agree? Calibration of the majority's share, by prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from rlpipe.evaluate.metric_row import ALL, Row, stable, to_json
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.statistics.reliability.calibration import BINS, Calibration, bin_of, calibration
from rlpipe.statistics.votes import split_vote

PREFIX = "calibration:"
SHOWN = ("ece", "brier", "gap", "aurc", "auroc")
DRAWS = 500


def agreement(samples: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Share of the majority answer and whether it is right, `[N]` each, of prompts with two samples or more."""
    rows = samples.sort("prompt_id", "sample_index", maintain_order=True)
    grouped = rows.group_by("prompt_id", maintain_order=True).agg("canonical_answer", pl.col("acc").cast(pl.Float64))
    lists = zip(grouped["canonical_answer"].to_list(), grouped["acc"].to_list(), strict=True)
    votes = [vote for answers, correct in lists if (vote := split_vote(answers, correct)) is not None]
    found = np.array(votes).reshape(-1, 2)
    return found[:, 0], (found[:, 1] >= 0.5).astype(float)


def calibration_rows(samples: pl.DataFrame, settings: EvaluateSettings) -> Iterator[Row]:
    """Rows of eval/1, `calibration:ece` and its like over all prompts; what a reliability figure needs in `info_json`."""
    c, y = agreement(samples)
    if len(c) < 2:
        return
    found, drawn = calibration(c, y, seed=settings.seed), _resampled(c, y, settings)
    tail = (1 - settings.confidence) / 2
    info = to_json(asdict(found) | {"bins": _bins(c, y)})
    for name in SHOWN:
        value = getattr(found, name)
        if value is None:
            continue
        known = [x for d in drawn if (x := getattr(d, name)) is not None]
        low, high = np.quantile(known, [tail, 1 - tail])
        numbers = {"k": None, "value": value, "ci_lo": float(low), "ci_hi": float(high), "n_problems": found.num}
        method = {"ci_method": "bootstrap_problem", "n_boot": DRAWS, "n_samples": int(len(samples) / len(c))}
        yield stable({"benchmark": ALL, "metric": PREFIX + name, **numbers, **method, "info_json": info})


def _resampled(c: np.ndarray, y: np.ndarray, settings: EvaluateSettings) -> list[Calibration]:
    rng = np.random.default_rng(settings.seed)
    draws = (rng.integers(0, len(c), len(c)) for _ in range(DRAWS))
    return [calibration(c[i], y[i], draws=2) for i in draws]


def _bins(c: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    """Number of prompts, mean share and mean correctness of each right-closed bin that is not empty."""
    which = bin_of(c)
    rows = [(c[which == b], y[which == b]) for b in range(BINS)]
    return [{"n": len(a), "share": float(a.mean()), "right": float(b.mean())} for a, b in rows if len(a)]
