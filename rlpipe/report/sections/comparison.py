"""The runs compared: levels with intervals, paired differences with p-values, cost, and a verdict per run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from rlpipe.report.blocks import Block, Cell, Column, Figure, Points, Prose, Section, Table, absent
from rlpipe.report.charts import Colours, highlight, interval_tooltip, opacity, specification
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.markup import MINUS, count, escape, interval, listing, number, p_value, run_name, seconds
from rlpipe.report.measures import Measure, Measured, as_row
from rlpipe.report.random_rewards import gains
from rlpipe.report.sections.verdicts import headline, verdicts
from rlpipe.statistics.intervals import Interval
from rlpipe.statistics.random_reward import flagged

ID, TITLE, SHORT = "comparison", "The runs compared", "The runs compared"


def build(data: Data, measured: Measured) -> Section:
    """Verdicts, levels, differences, and each seed apart."""
    if not measured.policies:
        return absent(ID, TITLE, "No evaluation is among the inputs of this report, so no runs can be compared.", SHORT)
    blocks: list[Block] = []
    if measured.runs:
        blocks.append(Points(verdicts(measured), "verdicts"))
        blocks += taught_by_chance(measured)
    blocks.append(levels(data, measured))
    if measured.pairs():
        blocks += [figure(measured), differences(measured)]
    else:
        blocks.append(Prose("Only one policy was evaluated, so there is no difference to test.", "absent"))
    if any(len(tables) > 1 for tables in measured.tables.values()):
        blocks.append(each_seed(data, measured))
    elif measured.runs:
        blocks.append(Prose("Every run has one seed, so how much a repetition would differ is not known.", "note"))
    level = f"{100 * measured.settings.confidence:g}\u202f%"
    summary = (
        f"{len(measured.prompts):,} prompts, {measured.n} rollouts of each; differences prompt by prompt; {level} "
        f"intervals over {measured.covered}."
    )
    return Section(ID, TITLE, blocks, summary, SHORT)


def taught_by_chance(measured: Measured) -> list[Prose]:
    """Benchmarks that improve in a run whose rewards are coin flips: they cannot show that a method works."""
    notes = []
    for run, found in gains(measured).items():
        if gained := flagged(found):
            notes.append(
                f"<strong>Under random rewards ({escape(run)}) pass@1 rises on {escape(listing(gained))}.</strong> "
                "No reward explains that gain, so the other runs\u2019 gains there do not show learning."
            )
        else:
            notes.append(f"Under random rewards ({escape(run)}) pass@1 rises on no task, as it should.")
    return [Prose(note, "note") for note in notes]


def levels(data: Data, measured: Measured) -> Table:
    """A row per policy, a column per measure; the best is marked only where it surely is."""
    best = {m.name: surely_best(measured, m) for m in measured.measures}
    cost = {policy: training_seconds(data, policy) for policy in measured.policies}
    rows, numbers = [], []
    for policy in measured.policies:
        found = {m.name: measured.level(policy, m) for m in measured.measures}
        cells = [Cell(run_name(policy, data.colours.slots[policy]), _seeds(data, policy), sort=policy)]
        cells += [_level(found[m.name], m, best[m.name] == policy) for m in measured.measures]
        rows.append([*cells, _cost(cost, policy, measured.baseline)])
        numbers += [{"run": policy, "measure": name, **as_row(value)} for name, value in found.items()]
    columns = [Column("Policy", number=False), *(Column(m.label, m.hint) for m in measured.measures)]
    columns.append(
        Column("Training time", "Wall time of one seed, mean over seeds, and how it compares to the baseline")
    )
    return Table(
        "levels",
        columns,
        rows,
        f"Means over prompts with intervals over {measured.covered}; a run\u2019s value is the mean of its seeds. A value is "
        "<span "
        "class='marked'>marked</span> only where it is the highest of its column and the interval of its difference "
        "from every other row excludes zero (and the test below agrees). Token "
        "entropy and length are not marked: more is not better by itself.",
        pl.DataFrame(numbers),
    )


def surely_best(measured: Measured, measure: Measure) -> str | None:
    """The policy with the highest value, if it surely lies above each other one."""
    if not measure.better or len(measured.policies) < 2:
        return None
    means = {policy: float(measured.values(policy, measure.name).mean()) for policy in measured.policies}
    top = max(means, key=lambda policy: means[policy])
    others = [policy for policy in measured.policies if policy != top]
    return top if all(measured.sign(top, other, measure.name) > 0 for other in others) else None


def training_seconds(data: Data, policy: str) -> float | None:
    """Wall time of the stage that made the policy, mean over its seeds; None where it was not recorded."""
    known = [spent for name in data.names("train", policy) if (spent := data.wall_seconds(name)) is not None]
    return float(np.mean(known)) if known else None


def _cost(cost: dict[str, float | None], policy: str, baseline: str | None) -> Cell:
    value, reference = cost[policy], cost.get(baseline or "")
    ratio = ""
    if value is not None and reference and policy not in (WARM_UP, baseline):
        ratio = f"{value / reference:.2f}\u00d7 {baseline}"
    return Cell(
        seconds(value), ratio or ("supervised" if policy == WARM_UP else ""), sort=value if value is not None else ""
    )


def _seeds(data: Data, policy: str) -> str:
    return "before training" if policy == WARM_UP else count(len(data.names("evaluate", policy)), "seed")


def _level(found: Interval, measure: Measure, best: bool) -> Cell:
    low, high = found.low, found.high
    bounds = "" if low is None or high is None else f"{number(low, measure.digits)}\u2013{number(high, measure.digits)}"
    return Cell(number(found.value, measure.digits), bounds, found.value, "mark" if best else "")


def differences(measured: Measured) -> Table:
    """Every run minus the warm-up, every other minus the baseline and the control, with Holm-adjusted p-values."""
    adjusted = measured.adjusted()
    rows, numbers = [], []
    for run, reference in measured.pairs():
        slots = measured.data.colours.slots
        cells = [Cell(run_name(run, slots[run]), f"{MINUS} {escape(reference)}", f"{reference} {run}")]
        for measure in measured.measures:
            found, p = measured.difference(run, reference, measure.name), adjusted[run, reference, measure.name]
            bounds = interval(found.low, found.high, measure.digits)
            tone = "" if measured.sign(run, reference, measure.name) else "dim"
            cells.append(
                Cell(
                    number(found.value, measure.digits, sign=True),
                    f"{bounds}<br>{p_value(p, found.bound)}",
                    found.value,
                    tone,
                )
            )
            numbers.append(
                {"run": run, "minus": reference, "measure": measure.name, **as_row(found)}
                | {
                    "p": found.p,
                    "p_holm": p,
                    "p_is_bound": found.bound,
                    "test": found.test,
                    "prompts": found.num_problems,
                }
            )
        rows.append(cells)
    columns = [Column("Run", number=False), *(Column(m.label, m.hint) for m in measured.measures)]
    return Table(
        "differences",
        columns,
        rows,
        f"Paired differences with intervals over {measured.covered}, and p-values of a sign-flip test over prompts, "
        "adjusted by Holm\u2019s "
        f"method: {escape(measured.settings.primary_metric)}, named in advance, over its own comparisons, the other "
        f"measures over all of theirs ({len(numbers)} in all). In grey: the "
        "interval includes zero, or the test before adjustment does not agree.",
        pl.DataFrame(numbers),
    )


def figure(measured: Measured) -> Figure:
    """The differences that the verdicts rest on, as dots with intervals."""
    shown = headline(measured)
    rows = []
    for run, reference in measured.pairs():
        for m in shown:
            found = measured.difference(run, reference, m.name)
            rows.append({"run": run, "minus": reference, "measure": m.name, **as_row(found)})
    references = list(dict.fromkeys(reference for _, reference in measured.pairs()))
    charts, panels = [], []
    for reference in references:
        runs = [run for run, other in measured.pairs() if other == reference]
        for m in shown:
            charts.append(_dots(m, reference, runs, measured.data.colours))
            panels.append(f"{m.label} <small>minus {reference}</small>")
    return Figure(
        "differences",
        charts,
        {"differences-figure": pl.DataFrame(rows)},
        f"What each run has over the warm-up, the baseline and the control, with intervals over {measured.covered}. A bar "
        "that does not touch the line at zero is a difference that these can tell from none.",
        "Dots with intervals, one row per run; the line at zero means no difference",
        panels,
        columns=len(shown),
        legend=False,
    )


def _dots(measure: Measure, reference: str, runs: Sequence[str], colours: Colours) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("differences-figure")).transform_filter(
        (alt.datum.measure == measure.name) & (alt.datum.minus == reference)
    )
    y = alt.Y(
        "run:N", sort=list(runs), axis=alt.Axis(title=None, grid=False, domain=False, ticks=False, labelLimit=110)
    )
    x = alt.X("value:Q", scale=alt.Scale(padding=6), axis=alt.Axis(title=None, tickCount=3, format="+.2~f", grid=True))
    tooltip = interval_tooltip("run:N", value="difference", format="+.3f")
    zero = alt.Chart(alt.NamedData("differences-figure")).transform_aggregate(n="count()").transform_calculate(zero="0")
    line = zero.mark_rule(color="var(--soft)", strokeWidth=1).encode(alt.X("zero:Q"))
    bar = base.mark_rule(strokeWidth=2).encode(
        alt.X("ci_lo:Q", axis=alt.Axis(title=None)),
        alt.X2("ci_hi:Q"),
        y,
        colours.color(),
        tooltip=tooltip,
        opacity=opacity(),
    )
    dot = base.mark_point(filled=True, size=70, opacity=1).encode(
        x, y, colours.color(), tooltip=tooltip, opacity=opacity()
    )
    return specification(alt.layer(line, bar, dot).add_params(highlight()), 28 + 26 * len(runs))


def each_seed(data: Data, measured: Measured) -> Table:
    """Every seed apart: the spread that intervals over prompts do not cover, and those over seeds are made from."""
    rows, numbers = [], []
    for run in measured.runs:
        for name, table in zip(data.names("evaluate", run), measured.tables[run], strict=True):
            seed = int(name.rpartition("-")[2])
            means = {m.name: float(table[m.name].to_numpy().mean()) for m in measured.measures}
            cells = [Cell(f"{run_name(run, data.colours.slots[run])} seed {seed}", sort=f"{run} {seed:05d}")]
            rows.append(cells + [Cell(number(means[m.name], m.digits), sort=means[m.name]) for m in measured.measures])
            numbers.append({"run": run, "seed": seed, **means})
    return Table(
        "seeds",
        [Column("Seed", number=False), *(Column(m.label, m.hint) for m in measured.measures)],
        rows,
        f"The spread between the seeds of a run; the intervals above are over {measured.covered}.",
        pl.DataFrame(numbers),
        folded="Each seed apart",
    )
