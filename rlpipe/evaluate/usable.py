"""Rollouts that cannot be counted, in files of others: a number that is none, or the same sample twice."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from rlpipe import artifacts

Rule = Literal["refuse", "drop"]
# Who a rollout is: a prompt may be drawn twice in a step of training, as two groups.
IDENTITY = ("run_id", "model_id", "policy_step", "agent", "seed", "group_id", "prompt_id", "sample_index")
NUMBERS, LISTS = ("reward",), ("logprobs", "entropies")
SHOWN = 3


def usable(path: Path | str, rule: Rule = "refuse") -> pl.Series:
    """Which rows of a file of rollouts (rollouts/1) count, as a mask over its rows.

    A row does not where its reward, a log-probability or an entropy is not a finite number, or where it repeats the run,
    step, prompt and index of one before it. `drop` leaves such rows out, and says so on the console.

    Raises: ValueError naming the first of them by row and prompt, where the rule is to refuse them; ArtifactError for a
    file of another schema.
    """
    frame = artifacts.read(path, artifacts.ROLLOUTS, (*IDENTITY, *NUMBERS, *LISTS))
    found = frame.select("prompt_id", "sample_index", reason=_reason()).with_row_index("row", offset=1)
    bad = found.filter(pl.col("reason").is_not_null())
    if bad.height:
        first = "; ".join(
            f"row {row}: prompt {prompt}, sample {index}: {why}" for row, prompt, index, why in bad.head(SHOWN).rows()
        )
        more = "; ..." if bad.height > SHOWN else ""
        what = f"{path}: {bad.height} of {frame.height} rollouts cannot be counted: {first}{more}"
        if rule == "refuse":
            raise ValueError(f"{what}. Mend the file, or leave them out with --set unusable=drop")
        print(f"{what}. Left out")
    return found["reason"].is_null()


def _reason() -> pl.Expr:
    """Why a row does not count; null for one that does."""
    reasons = [
        pl.when(pl.col(name).is_finite().not_()).then(pl.lit(f"{name} is not a finite number")) for name in NUMBERS
    ]
    reasons += [
        pl.when(pl.col(name).list.eval(pl.element().is_finite().not_()).list.any()).then(
            pl.lit(f"{name} holds what is not a finite number")
        )
        for name in LISTS
    ]
    again = pl.struct(IDENTITY).is_first_distinct().not_()
    return pl.coalesce(*reasons, pl.when(again).then(pl.lit("the same sample as in a row before it")))
