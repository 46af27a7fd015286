"""The score on the evaluation prompts that no training prompt resembles, beside the score on all of them.

Source: GPT-3 audit, arXiv:2005.14165, appendix C. Differs: prompts of one template with a training prompt are left out
too, and both scores have intervals over prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from rlpipe.artifacts import ArtifactError
from rlpipe.contamination.probes.detector_metrics import to_json
from rlpipe.curate.files.texts import TextFile, batches
from rlpipe.evaluate.metric_row import ALL, bounds, stable
from rlpipe.evaluate.problems import metric, problem_table, read_samples
from rlpipe.overlap.clean_subset import clean_subset
from rlpipe.statistics.intervals import Interval, interval

Subset = Literal["all", "clean"]
Measure = Callable[[np.ndarray], Interval]  # the interval of the mean of values [M] in [0, 1]


@dataclass(frozen=True)
class Scored:
    """Mean of a metric over the prompts of a benchmark, all or clean; `total` is how many there are of all."""

    benchmark: str
    subset: Subset
    label: str
    found: Interval
    n: int
    total: int


def clean_scores(
    table: pl.DataFrame, clean: Collection[str], labels: Sequence[str], measure: Measure
) -> Iterator[Scored]:
    """Every metric over all prompts and over the clean ones, of all benchmarks together and of each data source.

    `table` has prompt_id, data_source and the columns `labels`, a row per prompt, values in [0, 1]; prompts without a
    value are left out. A benchmark without a clean prompt has no clean score.
    """
    kept = set(clean)
    for name in (ALL, *sorted(table["data_source"].unique())):
        part = table if name == ALL else table.filter(pl.col("data_source") == name)
        inside = np.array([prompt in kept for prompt in part["prompt_id"]], dtype=bool)
        for label in labels:
            values = part[label].cast(pl.Float64).to_numpy()
            known = np.isfinite(values)
            subsets: tuple[tuple[Subset, np.ndarray], ...] = (("all", known), ("clean", known & inside))
            for subset, chosen in subsets:
                if chosen.any():
                    yield Scored(name, subset, label, measure(values[chosen]), int(chosen.sum()), int(known.sum()))


def headline(columns: Collection[str]) -> list[str]:
    """pass@1, and pass@k and majority@k at the largest k, as far as a problem table has them."""
    found = []
    for name in ("pass@", "majority@"):
        ks = sorted(int(c.removeprefix(name)) for c in columns if c.startswith(name))
        found += [f"{name}{k}" for k in dict.fromkeys([*(ks[:1] if name == "pass@" else []), *ks[-1:]])]
    return found


def clean_rows(
    samples: Path, overlap: pl.DataFrame, evaluation: TextFile, confidence: float, draws: int, seed: int
) -> list[dict[str, Any]]:
    """Rows of eval/1 for every policy in `samples` (rollouts/1): `pass@k` over all prompts, `clean:pass@k`, and so on.

    `overlap` is the table that compares `evaluation` with training prompts.

    Raises: ArtifactError for a prompt of the samples that is not in `evaluation`: it was not compared.
    """
    frame = read_samples(samples)
    compared = [identity for batch in batches(evaluation) for identity in batch["id"]]
    _all_compared(frame, compared, samples, evaluation)
    kept = clean_subset(overlap, pl.DataFrame({"prompt_id": compared}, schema={"prompt_id": pl.String}))

    def measure(values: np.ndarray) -> Interval:
        return interval(values, confidence=confidence, draws=draws, seed=seed)[0]

    rows = []
    keys = ["run_id", "model_id", "policy_step"]
    for who, part in sorted(frame.group_by(keys), key=lambda item: tuple(map(str, item[0]))):
        table = problem_table(part, seed=seed)
        shared = dict(zip(keys, who, strict=True)) | {"seed": seed, "n_samples": int(table["n"].min())}  # type: ignore[arg-type]
        for scored in clean_scores(table, kept, headline(table.columns), measure):
            rows.append(stable({**shared, **_row(scored)}))
    return rows


def _all_compared(frame: pl.DataFrame, compared: Collection[str], samples: Path, evaluation: TextFile) -> None:
    missing = sorted(set(frame["prompt_id"]) - set(compared))
    if missing:
        raise ArtifactError(
            f"{samples}: {len(missing)} of its prompts are not in {evaluation.path}, such as {missing[0]}, so they were "
            f"not compared with the training prompts; give the file of prompts that was evaluated, with the ids that "
            f"`rlpipe import` gives"
        )


def _row(scored: Scored) -> dict[str, Any]:
    m, found = metric(scored.label), scored.found
    return {
        "benchmark": scored.benchmark,
        "metric": m.name if scored.subset == "all" else f"clean:{m.name}",
        "k": m.k,
        **bounds(found),
        "ci_method": found.method,
        "n_boot": found.draws,
        "n_problems": scored.n,
        "info_json": to_json({"subset": scored.subset, "n_all": scored.total, "n_flagged": scored.total - scored.n}),
    }
