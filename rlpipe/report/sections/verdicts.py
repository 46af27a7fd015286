"""A verdict per run, worded from the intervals: what it gains, what it pays, and what cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence

from rlpipe.report.inputs import WARM_UP
from rlpipe.report.markup import escape, interval, listing, number, p_value, run_name
from rlpipe.report.measures import Measure, Measured

DIGITS = 2
ENTROPY = "token_entropy"


def verdicts(measured: Measured) -> list[str]:
    """One list item per run: the verdict in bold, then the numbers it rests on."""
    return [_of(measured, run) for run in measured.runs]


def _of(measured: Measured, run: str) -> str:
    references = compared_with(measured, run)
    name = run_name(run, measured.data.colours.slots[run])
    if not references:
        return f"{name} has nothing to be compared with."
    first, *more = (sentence(measured, run, reference) for reference in references[1:] or references)
    return " ".join([name, f"<b>{first}</b>", *more, kept(measured, run)]).rstrip()


def compared_with(measured: Measured, run: str) -> list[str]:
    """The warm-up; and for every run but the baseline, the baseline and the control."""
    return [reference for other, reference in measured.pairs() if other == run]


def sentence(measured: Measured, run: str, reference: str) -> str:
    """Every headline measure whose interval excludes zero with its difference; the rest as not distinguishable.

    Where correction for all comparisons takes the significance away again, the adjusted p-value is said.
    """
    up, down, neither = sorted_by_sign(measured, run, reference)
    role = ", the control," if reference == measured.data.control else ""
    name = "the warm-up" if reference == WARM_UP else f"{escape(reference)}{role}"
    if identical(measured, run, reference):
        return f"Equal to {name} in every number of every prompt and seed: what sets it apart never acted."

    adjusted = measured.adjusted()

    def words(measure: Measure) -> str:
        found = measured.difference(run, reference, measure.name)
        label = measure.label.lower() if measure.name == ENTROPY else measure.label
        digits = _digits([bound for bound in (found.low, found.high) if bound is not None])
        if measure in neither and found.low is not None and found.high is not None and found.low * found.high > 0:
            # The interval misses zero and the test disagrees: say what the test says.
            return f"{label} ({number(found.value, digits, sign=True)}, {p_value(found.p, found.bound)})"
        if measure in neither:
            return f"{label} ({interval(found.low, found.high, digits, sign=True) or 'no interval'})"
        p = adjusted[run, reference, measure.name]
        doubt = f", but adjusted {p_value(p, found.bound)}" if p >= 1 - measured.settings.confidence else ""
        return f"{label} ({number(found.value, digits, sign=True)}{doubt})"

    clauses = [f"keeps {'more' if m in up else 'less'} {words(m)}" for m in (*up, *down) if m.name == ENTROPY]
    gains, pays = ([words(m) for m in side if m.name != ENTROPY] for side in (up, down))
    clauses += [f"gains in {listing(gains)}"] if gains else []
    clauses += [f"pays in {listing(pays)}"] if pays else []
    same = listing([words(m) for m in neither], "or")
    if not clauses:
        return f"Not distinguishable from {name} in {same}."
    return f"Against {name} it {listing(clauses)}{f'; not distinguishable in {same}' if same else ''}."


def identical(measured: Measured, run: str, reference: str) -> bool:
    """Whether the two have the same values, seed by seed: with equal random numbers, the same rollouts."""
    ours, theirs = measured.tables[run], measured.tables[reference]
    names = [m.name for m in measured.measures]
    return len(ours) == len(theirs) and all(
        a.select(names).equals(b.select(names)) for a, b in zip(ours, theirs, strict=True)
    )


def sorted_by_sign(measured: Measured, run: str, reference: str) -> tuple[list[Measure], list[Measure], list[Measure]]:
    """Headline measures that are surely up, surely down, and neither."""
    sides: dict[int, list[Measure]] = {1: [], -1: [], 0: []}
    for measure in headline(measured):
        sides[measured.sign(run, reference, measure.name)].append(measure)
    return sides[1], sides[-1], sides[0]


def headline(measured: Measured) -> list[Measure]:
    """pass@1, pass@k at the largest k, and token entropy, as far as they were measured."""
    by_name = {m.name: m for m in measured.measures}
    names = dict.fromkeys(("pass@1", f"pass@{measured.ks[-1]}", ENTROPY))
    return [by_name[name] for name in names if name in by_name]


def kept(measured: Measured, run: str) -> str:
    """How much of the warm-up's entropy is left."""
    if WARM_UP not in measured.policies or ENTROPY not in {m.name for m in measured.measures}:
        return ""
    before, after = (float(measured.values(policy, ENTROPY).mean()) for policy in (WARM_UP, run))
    if before <= 0:
        return ""
    return f"It ends with {100 * after / before:.0f}\u202f% of the warm-up\u2019s token entropy."


def _digits(bounds: Sequence[float]) -> int:
    """Two decimals, or three where two would hide on which side of zero a bound lies, or make both bounds equal."""
    rounded = {round(bound, DIGITS) for bound in bounds}
    return DIGITS + 1 if 0.0 in rounded or len(rounded) < len(bounds) else DIGITS
