"""Searches against each other at equal generated tokens: from rows of search/1 alone to rows of eval/1.

Every method is measured at a few sizes; each has a mean cost in tokens per prompt. At a budget B a method counts with what
it achieves for at most B tokens: every prompt's value is interpolated between the two sizes whose mean costs enclose B, so
that intervals and tests are over prompts, as everywhere. Above its largest size a method keeps the value of that size, and
is compared with what others achieve for as many tokens as it spent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from rlpipe import artifacts
from rlpipe.evaluate.metric_row import ALL, Row, bounds, stable, to_json
from rlpipe.search.settings import REFERENCES, SearchStageSettings
from rlpipe.statistics.intervals import Interval, interval
from rlpipe.statistics.paired import Paired, holm, paired

S, I32, I64, F64, BOOL = artifacts.S, artifacts.I32, artifacts.I64, artifacts.F64, artifacts.BOOL
SEARCH = artifacts.Schema(
    "search",
    1,
    {"run_id": S, "model_id": S, "policy_step": I64, "prompt_id": S, "data_source": S, "method": S, "size": I32}
    | {"repeat": I32, "scorer": S, "selected": BOOL, "oracle": BOOL, "majority": F64, "response": S}
    | {"generated_tokens": I64, "drawn_tokens": I64, "scorer_calls": I64, "nan_scores": I64, "steps": I32}
    | {"chosen": I32, "correct": artifacts.pa.list_(BOOL), "lengths": artifacts.pa.list_(I32)}
    | {"answers": artifacts.pa.list_(S), "truncated": artifacts.pa.list_(BOOL), "seed": I64, "settings_json": S},
    {"difficulty": S, "answer": S, "scores": artifacts.pa.list_(F64)},
)
FILE = "searches.parquet"
Array = np.ndarray
COLUMNS = ("selected", "oracle", "majority")
NAMES = {"selected": "search", "oracle": "search_oracle", "majority": "search_majority"}
COSTS = ("generated_tokens", "drawn_tokens", "scorer_calls")


@dataclass(frozen=True)
class Curve:
    """One method at its K sizes: mean tokens per prompt `[K]`, increasing; values by column `[K, M]`, prompts by id."""

    method: str
    sizes: tuple[int, ...]
    tokens: Array
    values: Mapping[str, Array]
    facts: Sequence[Row]  # by size: costs, means of what stands beside the value

    def at(self, budget: float) -> Point | None:
        """What the method achieves for at most `budget` tokens per prompt; None if its smallest size costs more."""
        if budget < self.tokens[0] * (1 - 1e-12):
            return None
        spent = float(min(budget, self.tokens[-1]))
        above = int(np.clip(np.searchsorted(self.tokens, spent), 1, max(len(self.tokens) - 1, 1)))
        if len(self.tokens) == 1:
            return Point(spent, (0, 0), 0.0)
        low, high = self.tokens[above - 1], self.tokens[above]
        share = float(np.clip((spent - low) / (high - low), 0.0, 1.0)) if high > low else 1.0
        return Point(spent, (above - 1, above), share)

    def read(self, point: Point, column: str) -> Array:
        """Values `[M]` at a point."""
        low, high = (self.values[column][i] for i in point.between)
        return (1 - point.share) * low + point.share * high


@dataclass(frozen=True)
class Point:
    """A place on a curve: the tokens spent, the two sizes it lies between (as indices), and how far it is to the upper."""

    spent: float
    between: tuple[int, int]
    share: float


def curves(searches: pl.DataFrame) -> dict[str, Curve]:
    """The curve of every method in rows of search/1; values are means over repeats (and seeds, where there are several).

    Raises: ValueError if methods were not run on the same prompts.
    """
    prompts = sorted(searches["prompt_id"].unique())
    found = {}
    for (method,), part in searches.group_by("method", maintain_order=True):
        by_size = [rows.sort("prompt_id") for _, rows in sorted(part.group_by("size"), key=lambda item: item[0])]
        tables = [_per_prompt(rows) for rows in by_size]
        for rows, table in zip(by_size, tables, strict=True):
            if table["prompt_id"].to_list() != prompts:
                raise ValueError(f"search: {method} of size {rows['size'][0]} lacks some of the {len(prompts)} prompts")
        # A larger size may by chance cost less: sizes are ordered by what they cost.
        cost = np.array([t["generated_tokens"].to_numpy().mean() for t in tables])
        order = np.argsort(cost, kind="stable")
        facts = [_facts(by_size[i]) for i in order]
        values = {c: np.stack([tables[i][c].to_numpy() for i in order]) for c in COLUMNS}
        sizes = tuple(int(by_size[i]["size"][0]) for i in order)
        found[str(method)] = Curve(str(method), sizes, cost[order], values, facts)
    return found


def sample_tokens(found: Mapping[str, Curve]) -> float:
    """Mean tokens of one whole sample: what budgets are multiples of."""
    curve = next(found[name] for name in REFERENCES if name in found)
    return float(curve.tokens[-1] / curve.sizes[-1])


def metric_rows(searches: pl.DataFrame, settings: SearchStageSettings, who: Row) -> list[Row]:
    """Rows of eval/1, over all prompts and by source. `who`: run_id, model_id, policy_step, split.

    `search:<method>` with k the budget in whole samples; `search_oracle:` and `search_majority:` beside it;
    `search_size:<method>` with k the size; `diff:search:<method>` against each reference.
    """
    rows: list[Row] = []
    for name, part in _benchmarks(searches):
        found = curves(part)
        shared = {**who, "benchmark": name, "n_problems": part["prompt_id"].n_unique(), "seed": settings.seed}
        shared["n_samples"] = int(part["repeat"].n_unique())
        rows += [shared | row for row in (*_at_budgets(found, settings), *_at_sizes(found, settings))]
        rows += [shared | row for row in _differences(found, settings)]
    return rows


def _at_budgets(found: Mapping[str, Curve], settings: SearchStageSettings) -> Iterator[Row]:
    unit = sample_tokens(found)
    points = [(curve, b, curve.at(b * unit)) for curve in found.values() for b in settings.budgets]
    reached = [(curve, b, point) for curve, b, point in points if point is not None]
    values = [curve.read(point, column) for column in COLUMNS for curve, _, point in reached]
    each = iter(_intervals(values, settings))
    for column in COLUMNS:
        for curve, b, point in reached:
            info = _told(curve, point) | {"budget_tokens": b * unit, "scorer": curve.facts[-1]["scorer"]}
            yield _row(f"{NAMES[column]}:{curve.method}", b, next(each), info)
    for curve, b, missed in points:
        if missed is None:
            info = {"budget_tokens": b * unit, "needs_tokens": float(curve.tokens[0]), "size": curve.sizes[0]}
            yield {"metric": f"search:{curve.method}", "k": b, "ci_method": "none", "info_json": to_json(info)}


def _at_sizes(found: Mapping[str, Curve], settings: SearchStageSettings) -> Iterator[Row]:
    places = [(curve, i) for curve in found.values() for i in range(len(curve.sizes))]
    each = _intervals([curve.values["selected"][i] for curve, i in places], settings)
    for (curve, i), measured in zip(places, each, strict=True):
        facts = curve.facts[i]
        totals = {"total_tokens": facts["total_tokens"], "mean_response_tokens": facts["mean_length"]}
        info = {key: value for key, value in facts.items() if key not in ("total_tokens", "truncation_rate")}
        row = _row(f"search_size:{curve.method}", curve.sizes[i], measured, info)
        yield row | stable(totals | {"truncation_rate": facts["truncation_rate"]})


def _differences(found: Mapping[str, Curve], settings: SearchStageSettings) -> Iterator[Row]:
    """What each method has over the references for as many tokens as it spent, adjusted over all of the benchmark."""
    unit, chosen = sample_tokens(found), []
    for curve in found.values():
        for b in settings.budgets:
            point = curve.at(b * unit)
            for other in (found[name] for name in REFERENCES if name in found and name != curve.method):
                reference = other.at(point.spent) if point else None
                pair = {curve.method, other.method} == set(REFERENCES)
                if point and reference and not (pair and curve.method != REFERENCES[1]):
                    chosen.append((curve, b, point, other, reference))
    if not chosen:
        return
    before = np.stack([other.read(at, "selected") for _, _, _, other, at in chosen], axis=1)
    after = np.stack([curve.read(point, "selected") for curve, _, point, _, _ in chosen], axis=1)
    s = settings
    tests = paired(before, after, s.interval, s.confidence, s.bootstrap_draws, s.flip_draws, s.seed, True)
    adjusted = holm([test.p for test in tests])
    for (curve, b, point, other, at), test, p in zip(chosen, tests, adjusted, strict=True):
        info = {
            "other": other.method,
            "p": test.p,
            "p_holm": p,
            "p_is_bound": test.bound,
            "family_size": len(tests),
            "test": test.test,
        }
        info |= {"tokens": point.spent, "other_tokens": at.spent}
        yield _row(f"diff:search:{curve.method}", b, test, info, settings.bootstrap_draws)


def _row(metric: str, k: int, found: Interval | Paired, info: Row, draws: int = 0) -> Row:
    how = found.method if isinstance(found, Interval) else found.ci_method
    counted = found.draws if isinstance(found, Interval) else (draws if how.startswith("bootstrap") else 0)
    return stable(
        {"metric": metric, "k": k, **bounds(found), "ci_method": how, "n_boot": counted, "info_json": to_json(info)}
    )


def _told(curve: Curve, point: Point) -> Row:
    """What stands beside a value at a budget: tokens spent, sizes it lies between, other costs there."""
    low, high = (curve.facts[i] for i in point.between)
    names = ("drawn_tokens", "scorer_calls", "distinct_answers")
    mixed = {key: (1 - point.share) * low[key] + point.share * high[key] for key in names}
    return {"tokens": point.spent, "sizes": [curve.sizes[i] for i in dict.fromkeys(point.between)], **mixed}


def _intervals(values: Sequence[Array], settings: SearchStageSettings) -> list[Interval]:
    s = settings
    return interval(np.stack(values, axis=1), s.interval, s.confidence, s.bootstrap_draws, s.seed, True)


def _per_prompt(rows: pl.DataFrame) -> pl.DataFrame:
    means = [pl.col(c).cast(pl.Float64).mean() for c in (*COLUMNS, "generated_tokens")]
    return rows.group_by("prompt_id").agg(*means).sort("prompt_id")


def _facts(rows: pl.DataFrame) -> Row:
    """Costs per prompt of a method at a size, and what tells lost diversity from failed selection."""
    answers = pl.col("answers").list.drop_nulls().list.n_unique().mean().alias("distinct_answers")
    found: Row = rows.select(
        *(pl.col(c).cast(pl.Float64).mean() for c in COSTS),
        answers,
        pl.col("generated_tokens").sum().alias("total_tokens"),
        pl.col("lengths").explode().mean().alias("mean_length"),
        pl.col("truncated").explode().cast(pl.Float64).mean().alias("truncation_rate"),
        pl.col("nan_scores").sum(),
        pl.col("scorer").first(),
    ).row(0, named=True)
    return found


def _benchmarks(searches: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """All prompts, and each source where there are several."""
    yield ALL, searches
    sources = sorted(searches["data_source"].unique())
    for source in sources if len(sources) > 1 else []:
        yield source, searches.filter(pl.col("data_source") == source)
