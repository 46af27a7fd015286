"""What the policies are compared in: one value per prompt and measure, and the statistics of `rlpipe.evaluate` over them.

A run's value of a prompt is the mean over its seeds, so an interval is over prompts and rollouts with the seeds as drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rlpipe.evaluate.intervals import Interval, interval
from rlpipe.evaluate.paired import Paired, holm, paired
from rlpipe.evaluate.pass_at_k import pass_at_k
from rlpipe.evaluate.votes import majority_at_k
from rlpipe.report.data import WARM_UP, Data

Array = np.ndarray


@dataclass(frozen=True)
class Measure:
    """A number per prompt. `better` is +1 where more is better, 0 where it is neither good nor bad by itself."""

    name: str
    label: str
    hint: str
    better: int = 0
    bounded: bool = False
    digits: int = 3


class Measured:
    """Values per prompt of every policy, on the prompts all of them were evaluated on.

    `prompts` holds prompt_id, source and level `[M]`; `values[policy][measure]` is `[M]`, `curves[policy]` pass@k `[M, K]`,
    `seeds[policy]` the same as `values` for each seed apart.
    """

    def __init__(self, data: Data):
        self.data, self.settings = data, data.settings
        frames = {p: [data.samples(n) for n in data.names("evaluate", p)] for p in (WARM_UP, *data.runs)}
        frames = {p: [f for f in found if len(f)] for p, found in frames.items()}
        self.frames = {policy: found for policy, found in frames.items() if found}
        self.prompts = _shared([f for found in self.frames.values() for f in found])
        self.policies = list(self.frames) if len(self.prompts) else []
        self.n = min((_fewest(f, self.prompts) for found in self.frames.values() for f in found), default=0)
        self.ks = [2**i for i in range(self.n.bit_length())] if self.n else []
        self.measures = measures(self.ks)
        self._differences: dict[tuple[str, str], dict[str, Paired]] = {}
        self.curves: dict[str, Array] = {}
        self.seeds: dict[str, list[dict[str, Array]]] = {}
        for policy in self.policies:
            found = [self._measure(frame) for frame in self.frames[policy]]
            self.seeds[policy] = [values for values, _ in found]
            self.curves[policy] = np.mean([curve for _, curve in found], axis=0)

    @property
    def baseline(self) -> str | None:
        return self.data.baseline if self.data.baseline in self.policies else None

    @property
    def runs(self) -> list[str]:
        return [policy for policy in self.policies if policy != WARM_UP]

    def values(self, policy: str, measure: str) -> Array:
        """`[M]`, the mean over seeds."""
        return np.mean([seed[measure] for seed in self.seeds[policy]], axis=0)

    def level(self, policy: str, measure: Measure) -> Interval:
        """The mean over prompts with its interval."""
        return self.intervals(self.values(policy, measure.name), measure.bounded)[0]

    def intervals(self, values: Array, bounded: bool = True) -> list[Interval]:
        """Of every column of `[M, C]`, as the settings ask."""
        s = self.settings
        return interval(values, confidence=1 - s.alpha, draws=s.resamples, seed=s.seed, bounded=bounded)

    def difference(self, policy: str, reference: str, measure: str) -> Paired:
        """What a policy has over another on the same prompts."""
        key = (policy, reference)
        if key not in self._differences:
            names, s = [m.name for m in self.measures], self.settings
            before, after = (np.stack([self.values(p, name) for name in names], axis=1) for p in (reference, policy))
            found = paired(
                before, after, confidence=1 - s.alpha, draws=s.resamples, flips=s.flips, seed=s.seed
            )
            self._differences[key] = dict(zip(names, found, strict=True))
        return self._differences[key][measure]

    def pairs(self) -> list[tuple[str, str]]:
        """(run, what it is compared with): every run with the warm-up, every other with the baseline."""
        found = [(run, WARM_UP) for run in self.runs] if WARM_UP in self.policies else []
        return found + [(run, self.baseline) for run in self.runs if self.baseline and run != self.baseline]

    def adjusted(self) -> dict[tuple[str, str, str], float]:
        """Holm-adjusted p-values over all pairs and measures of the table."""
        keys = [(run, reference, m.name) for run, reference in self.pairs() for m in self.measures]
        return dict(zip(keys, holm([self.difference(*key).p for key in keys]), strict=True))

    def _measure(self, frame: pl.DataFrame) -> tuple[dict[str, Array], Array]:
        """Every measure `[M]` and the pass@k curve `[M, K]` of one evaluation."""
        groups = self.prompts.select("prompt_id").join(_by_prompt(frame), on="prompt_id", how="left", maintain_order="left")
        curve = pass_at_k(groups["correct"].to_numpy(), groups["n"].to_numpy(), self.ks)
        values = {f"pass@{k}": curve[:, i] for i, k in enumerate(self.ks)}
        k = _picked(self.ks)[1]
        values[f"majority@{k}"] = np.array(
            [majority_at_k(a, x, [k])[0] for a, x in zip(groups["answers"], groups["scores"], strict=True)]
        )
        for name in ("token_entropy", "distinct_correct", "length"):
            values[name] = groups[name].to_numpy().astype(float)
        return values, curve


def measures(ks: Sequence[int]) -> list[Measure]:
    """The columns of the comparison, for these k."""
    if not ks:
        return []
    small, middle, largest = _picked(ks)
    found = [Measure("pass@1", "pass@1", "Share of rollouts that are correct", 1, True)]
    for k in dict.fromkeys((small, middle, largest)):
        if k > 1:
            found.append(Measure(f"pass@{k}", f"pass@{k}", f"Chance that at least one of {k} rollouts is correct", 1, True))
    return [
        *found,
        Measure(f"majority@{middle}", f"majority@{middle}", f"Chance that the most frequent of {middle} answers is correct", 1, True),
        Measure("token_entropy", "Token entropy", "Nats per token, at the temperature sampled at"),
        Measure("distinct_correct", "Distinct correct", "Different correct solutions found per prompt", 1, digits=2),
        Measure("length", "Length", "Tokens per response", digits=1),
    ]


def _picked(ks: Sequence[int]) -> tuple[int, int, int]:
    """A small, a middle and the largest k, evenly apart on the log scale."""
    last = len(ks) - 1
    return ks[round(last / 3)], ks[round(2 * last / 3)], ks[last]


def _shared(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Prompts that every frame has, by id, with source and level."""
    if not frames:
        return pl.DataFrame({"prompt_id": [], "source": [], "level": []}, schema=dict.fromkeys(("prompt_id", "source", "level"), pl.String))
    names = pl.col("data_source").alias("source"), pl.col("difficulty").fill_null("").alias("level")
    prompts = frames[0].select("prompt_id", *names).unique("prompt_id", maintain_order=True)
    for frame in frames[1:]:
        prompts = prompts.filter(pl.col("prompt_id").is_in(frame["prompt_id"].unique().to_list()))
    return prompts.sort("prompt_id")


def _fewest(frame: pl.DataFrame, prompts: pl.DataFrame) -> int:
    """Rollouts of the prompt that has fewest."""
    kept = frame.filter(pl.col("prompt_id").is_in(prompts["prompt_id"].to_list()))
    return int(kept.group_by("prompt_id").len()["len"].min() or 0)  # type: ignore[arg-type]


def _by_prompt(frame: pl.DataFrame) -> pl.DataFrame:
    """A row per prompt: counts, answers, and means over its rollouts."""
    right = pl.col("canonical_answer").filter(pl.col("acc"))
    return frame.group_by("prompt_id", maintain_order=True).agg(
        pl.len().alias("n"),
        pl.col("acc").sum().alias("correct"),
        pl.col("canonical_answer").alias("answers"),
        pl.col("acc").cast(pl.Float64).alias("scores"),
        pl.col("entropy").mean().alias("token_entropy"),
        right.drop_nulls().n_unique().alias("distinct_correct"),
        pl.col("n_response_tokens").mean().alias("length"),
    )


def as_row(found: Interval | Paired) -> Mapping[str, Any]:
    """Value and bounds as columns of an exported table."""
    return {"value": found.value, "se": found.se, "ci_lo": found.low, "ci_hi": found.high}


def decided(found: Paired | Interval) -> int:
    """+1 or -1 where the interval excludes zero, else 0."""
    if found.low is None or found.high is None:
        return 0
    return 1 if found.low > 0 else -1 if found.high < 0 else 0
