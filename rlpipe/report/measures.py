"""What the policies are compared in: one value per prompt and measure, and the statistics of `rlpipe.evaluate` over them.

A run's value of a prompt is the mean over its seeds. Its interval covers prompts and rollouts, with the seeds as drawn, and
from three seeds on the seeds too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.statistics.intervals import Interval, interval
from rlpipe.statistics.paired import Paired, holm, paired
from rlpipe.statistics.seeds import FEWEST, covering_seeds

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

    `prompts` holds prompt_id, source and level `[M]`; `tables[policy]` one table of `problem_table` per seed, in the order
    of `prompts`; `n` is the number of rollouts of the prompt that has fewest, `ks` the powers of two up to it.
    """

    def __init__(self, data: Data):
        self.data, self.settings = data, data.statistics
        found = {p: [data.problems(name) for name in data.names("evaluate", p)] for p in (WARM_UP, *data.runs)}
        found = {p: [table for table in tables if len(table)] for p, tables in found.items()}
        shared = _shared([table for tables in found.values() for table in tables])
        self.prompts = shared
        self.tables = {
            policy: [
                shared.select("prompt_id").join(t, on="prompt_id", how="left", maintain_order="left") for t in tables
            ]
            for policy, tables in found.items()
            if tables and len(shared)
        }
        every = [table for tables in self.tables.values() for table in tables]
        self.n = min((int(table["n"].min()) for table in every), default=0)  # type: ignore[arg-type]
        self.ks = [2**i for i in range(self.n.bit_length())] if self.n else []
        self.measures = [
            m for m in measures(self.ks) if all(m.name in t.columns and not t[m.name].null_count() for t in every)
        ]
        self._differences: dict[tuple[str, str], dict[str, Paired]] = {}

    @property
    def policies(self) -> list[str]:
        return list(self.tables)

    @property
    def baseline(self) -> str | None:
        return self.data.baseline if self.data.baseline in self.policies else None

    @property
    def runs(self) -> list[str]:
        return [policy for policy in self.policies if policy != WARM_UP]

    def seed_values(self, policy: str, measure: str) -> list[Array]:
        """`[M]` for each seed apart."""
        return [table[measure].to_numpy() for table in self.tables[policy]]

    def values(self, policy: str, measure: str) -> Array:
        """`[M]`, the mean over seeds."""
        return np.mean(self.seed_values(policy, measure), axis=0)

    def curve(self, policy: str) -> Array:
        """pass@k `[M, K]`, the mean over seeds."""
        return np.stack([self.values(policy, f"pass@{k}") for k in self.ks], axis=1)

    def counts(self, policy: str) -> list[Array]:
        """Correct rollouts of each prompt `[M]` out of `n`, by seed; rounded down where a prompt has more than `n`."""
        return [np.floor(share * self.n + 1e-9).astype(int) for share in self.seed_values(policy, "pass@1")]

    def level(self, policy: str, measure: Measure) -> Interval:
        """The mean over prompts with its interval."""
        return self.means(policy, [measure.name], measure.bounded)[0]

    def means(
        self, policy: str, names: Sequence[str], bounded: bool = True, inside: Array | slice = slice(None)
    ) -> list[Interval]:
        """Means over the prompts `inside`, with intervals that cover seeds too where there are three or more."""
        found = self.intervals(np.stack([self.values(policy, n)[inside] for n in names], axis=1), bounded)
        confidence, (least, most) = self.settings.confidence, (0.0, 1.0) if bounded else (-np.inf, np.inf)
        return [
            covering_seeds(f, self.seed_means(policy, n, inside), confidence, least, most)
            for f, n in zip(found, names, strict=True)
        ]

    def seed_means(self, policy: str, name: str, inside: Array | slice = slice(None)) -> list[Array]:
        """The mean of every seed, as the one element of a list; an empty one for the warm-up, which is not repeated."""
        if policy == WARM_UP:
            return []
        return [np.array([values[inside].mean() for values in self.seed_values(policy, name)])]

    @property
    def covered(self) -> str:
        """What the intervals of runs cover, in words."""
        enough = [run for run in self.runs if len(self.tables[run]) >= FEWEST]
        if not enough:
            return "prompts and rollouts, with the seeds as drawn"
        if enough == self.runs:
            return "prompts, rollouts and seeds"
        return f"prompts and rollouts, and of {', '.join(enough)} seeds too"

    def intervals(self, values: Array, bounded: bool = True) -> list[Interval]:
        """Of every column of `[M, C]`, as the settings ask."""
        s = self.settings
        return interval(values, s.interval, s.confidence, s.bootstrap_draws, s.seed, bounded)

    def difference(self, policy: str, reference: str, measure: str) -> Paired:
        """What a policy has over another on the same prompts."""
        key = (policy, reference)
        if key not in self._differences:
            names, s = [m.name for m in self.measures], self.settings
            before, after = (np.stack([self.values(p, name) for name in names], axis=1) for p in (reference, policy))
            bounded = [m.bounded for m in self.measures]
            found = paired(before, after, s.interval, s.confidence, s.bootstrap_draws, s.flip_draws, s.seed, bounded)
            both = [self.seed_means(policy, n) + self.seed_means(reference, n) for n in names]
            found = [
                covering_seeds(f, seeds, s.confidence, *((-1.0, 1.0) if m.bounded else (-np.inf, np.inf)))
                for f, seeds, m in zip(found, both, self.measures, strict=True)
            ]
            self._differences[key] = dict(zip(names, found, strict=True))
        return self._differences[key][measure]

    def sign(self, policy: str, reference: str, measure: str) -> int:
        """Whether a policy is surely above (+1) or below (-1) another, or neither (0)."""
        return decided(self.difference(policy, reference, measure), self.settings.confidence)

    def pairs(self) -> list[tuple[str, str]]:
        """(run, what it is compared with): every run with the warm-up, every other with the baseline and the control."""
        found = [(run, WARM_UP) for run in self.runs] if WARM_UP in self.policies else []
        named = [name for name in (self.baseline, self.data.control) if name in self.runs]
        return found + [(run, name) for name in named for run in self.runs if run not in (name, self.baseline)]

    def adjusted(self) -> dict[tuple[str, str, str], float]:
        """Holm-adjusted p-values over all pairs: of the measure named in advance by itself, of all others together."""
        found: dict[tuple[str, str, str], float] = {}
        primary = [m.name for m in self.measures if m.name == self.settings.primary_metric]
        for family in (primary, [m.name for m in self.measures if m.name not in primary]):
            keys = [(run, reference, name) for run, reference in self.pairs() for name in family]
            found |= dict(zip(keys, holm([self.difference(*key).p for key in keys]), strict=True))
        return found


def measures(ks: Sequence[int]) -> list[Measure]:
    """The columns of the comparison, for these k."""
    if not ks:
        return []
    small, middle, largest = _picked(ks)
    found = [Measure("pass@1", "pass@1", "Share of rollouts that are correct", 1, True)]
    for k in dict.fromkeys((small, middle, largest)):
        if k > 1:
            found.append(
                Measure(f"pass@{k}", f"pass@{k}", f"Chance that at least one of {k} rollouts is correct", 1, True)
            )
    return [
        *found,
        Measure(
            f"majority@{middle}",
            f"majority@{middle}",
            f"Chance that the most frequent of {middle} answers is correct",
            1,
            True,
        ),
        Measure("token_entropy", "Token entropy", "Nats per token, at the temperature sampled at"),
        Measure("distinct_correct", "Distinct correct", "Different correct solutions found per prompt", 1, digits=2),
        Measure("response_length", "Length", "Tokens per response", digits=1),
    ]


def _picked(ks: Sequence[int]) -> tuple[int, int, int]:
    """A small, a middle and the largest k, evenly apart on the log scale."""
    last = len(ks) - 1
    return ks[round(last / 3)], ks[round(2 * last / 3)], ks[last]


def _shared(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Prompts that every table has, by id, with source and level."""
    if not tables:
        return pl.DataFrame(schema=dict.fromkeys(("prompt_id", "source", "level"), pl.String))
    names = pl.col("data_source").alias("source"), pl.col("difficulty").fill_null("").alias("level")
    prompts = tables[0].select("prompt_id", *names)
    for table in tables[1:]:
        prompts = prompts.filter(pl.col("prompt_id").is_in(table["prompt_id"].to_list()))
    return prompts.sort("prompt_id")


def as_row(found: Interval | Paired) -> Mapping[str, Any]:
    """Value and bounds as columns of an exported table."""
    return {"value": found.value, "se": found.se, "ci_lo": found.low, "ci_hi": found.high, "covers": found.covers}


def decided(found: Paired, confidence: float = 0.95) -> int:
    """+1 or -1 where the interval excludes zero and the sign-flip test, unadjusted, agrees; else 0.

    The interval may cover seeds and the test does not; with many differing prompts they agree only nearly.
    """
    if found.low is None or found.high is None or found.p > 1 - confidence:
        return 0
    return 1 if found.low > 0 else -1 if found.high < 0 else 0
