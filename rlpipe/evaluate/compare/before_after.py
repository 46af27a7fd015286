"""Support and crossover from two files of rollouts: the base policy's and the trained one's."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from rlpipe.evaluate.compare.differences import Samples
from rlpipe.evaluate.problems import read_samples
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.statistics.crossover import Crossover, crossover
from rlpipe.statistics.support import Support, detection_floor, expected_support, split_half, support


def support_table(base: Samples, trained: Samples) -> list[dict[str, Any]]:
    """Rows with the counts, rates and floor, at one and at two hits.

    `subset`: `all` n samples; `half` of them, averaged over subsets; and `control`, half of the base policy's samples
    against the other half. `half` and `control` compare like with like; `net_sd` of the control is the standard
    deviation of gained - lost where nothing changed.

    Raises: ArtifactError for a file of another schema; ValueError if no prompt is shared or n differs between prompts.
    """
    before, after, n = _hits(base, trained)
    rows = []
    for at_least in (1, 2):
        control, net_sd = split_half(before, n, at_least)
        half = expected_support(before, after, n, n // 2, at_least)
        for subset, counts, k, sd in (
            ("all", support(before, after, at_least), n, None),
            ("half", half, n // 2, None),
            ("control", control, n // 2, net_sd),
        ):
            rows.append({"at_least": at_least, "subset": subset, "k": k, **_rates(counts), "net_sd": sd})
            rows[-1]["detection_floor"] = detection_floor(k)
    return rows


def crossover_of(base: Samples, trained: Samples, settings: EvaluateSettings) -> Crossover:
    """k* over every k up to n, with its bootstrap interval over prompts.

    Raises: as `support_table`.
    """
    before, after, n = _hits(base, trained)
    return crossover(before, after, n, None, settings.confidence, settings.bootstrap_draws, settings.seed)


def _rates(counts: Support) -> dict[str, float | None]:
    return {
        "preserved": counts.preserved,
        "expanded": counts.expanded,
        "shrunk": counts.shrunk,
        "out": counts.out,
        "retention": counts.retention,
        "discovery": counts.discovery,
        "dynamics": counts.dynamics,
        "net_change": counts.net_change,
    }


def _hits(base: Samples, trained: Samples) -> tuple[np.ndarray, np.ndarray, int]:
    """Correct samples of each shared prompt `[M]` under both policies, and n."""
    frames = [s if isinstance(s, pl.DataFrame) else read_samples(s) for s in (base, trained)]
    counts = [f.group_by("prompt_id").agg(pl.col("acc").sum().alias("hits"), pl.len().alias("n")) for f in frames]
    both = counts[0].join(counts[1], on="prompt_id", suffix="_after").sort("prompt_id")
    sizes = set(both["n"]) | set(both["n_after"])
    if len(sizes) != 1:
        raise ValueError(
            f"the two policies share {len(both)} prompts with {sorted(sizes)} samples; support needs one n for all"
        )
    return both["hits"].to_numpy(), both["hits_after"].to_numpy(), sizes.pop()
