"""What a probe can see: its power against exposure, measured on planted runs."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from rlpipe.contamination.probes.detector_metrics import SPLITS
from rlpipe.contamination.probes.detectors import DETECTORS, MEMBER
from rlpipe.evaluate.metric_row import ALL
from rlpipe.statistics.intervals import t_interval
from rlpipe.statistics.proportion import proportion


def exposure_rows(metrics: Iterable[pl.DataFrame]) -> list[dict[str, Any]]:
    """Every detector's AUC on members under every run, with how often the run was planted to meet them.

    `metrics` are `metrics.parquet` of contamination artifacts; those of runs that were not planted are passed over.

    Returns: rows `{run, seed, epochs, exposure, method, title, auc, lo, hi}`, sorted; `epochs` 0 is the clean twin.
    """
    rows = []
    for frame in metrics:
        own = frame.filter((pl.col("benchmark") == ALL) & (pl.col("split") == SPLITS[MEMBER]))
        met = own.filter(pl.col("metric") == "exposure")
        info = json.loads(met["info_json"][0]) if len(met) else {}
        if "plant_epochs" not in info:
            continue
        run_id = met["run_id"][0]
        run, _, seed = run_id.partition("/seed-")
        shared = {"run": run, "seed": int(seed), "epochs": info["plant_epochs"], "exposure": met["value"][0]}
        for row in own.filter(pl.col("model_id") == run_id).iter_rows(named=True):
            kind, _, method = row["metric"].partition(":")
            if kind == "auc":
                numbers = {"auc": row["value"], "lo": row["ci_lo"], "hi": row["ci_hi"]}
                rows.append({**shared, "method": method, "title": DETECTORS[method].title, **numbers})
    return sorted(rows, key=lambda r: (r["method"], r["epochs"], r["seed"]))


def power_curve(rows: Sequence[dict[str, Any]], confidence: float = 0.95) -> list[dict[str, Any]]:
    """Per detector and number of epochs, over seeds: mean AUC, its rise over the clean twin of the same seed, and
    power.

    Power is the share of runs whose interval lies above 0.5, with its mid-P interval; under the twin it is the rate of
    false alarms. Intervals of means are t intervals over seeds, null for one seed; the rise is null where no twin has
    the seed.

    Returns: rows `{method, title, epochs, n, auc, auc_lo, auc_hi, rise, rise_lo, rise_hi, power, power_lo, power_hi}`.
    """
    twins = {(r["method"], r["seed"]): r["auc"] for r in rows if r["epochs"] == 0}
    cells: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        cells[row["method"], row["epochs"]].append(row)
    curve = []
    for (method, epochs), found in sorted(cells.items()):
        seen = sum(r["lo"] > 0.5 for r in found)
        rises = [r["auc"] - twins[method, r["seed"]] for r in found if (method, r["seed"]) in twins]
        low, high = proportion(seen, len(found), confidence)
        curve.append(
            {"method": method, "title": found[0]["title"], "epochs": epochs, "n": len(found)}
            | _mean("auc", [r["auc"] for r in found], confidence)
            | _mean("rise", rises if epochs else [], confidence)
            | {"power": seen / len(found), "power_lo": low, "power_hi": high}
        )
    return curve


def _mean(name: str, values: Sequence[float], confidence: float) -> dict[str, float | None]:
    if not values:
        return {name: None, f"{name}_lo": None, f"{name}_hi": None}
    bounds: list[float | None] = [None, None]
    if len(values) > 1:
        bounds = [float(b[0]) for b in t_interval(values, confidence)]
    mean = float(np.mean(values))
    assert math.isfinite(mean)
    return {name: mean, f"{name}_lo": bounds[0], f"{name}_hi": bounds[1]}
