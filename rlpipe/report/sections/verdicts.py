"""A verdict per run, worded from the intervals: what it gains, what it pays, and what cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence

from rlpipe.report.data import WARM_UP
from rlpipe.report.markup import escape, interval, listing, number, run_name
from rlpipe.report.measures import Measure, Measured, decided

DIGITS = 2
ENTROPY = "token_entropy"


def verdicts(measured: Measured) -> list[str]:
    """One list item per run: the verdict in bold, then the numbers it rests on."""
    return [_of(measured, run) for run in measured.runs]


def _of(measured: Measured, run: str) -> str:
    references = compared_with(measured, run)
    name = run_name(run, measured.data.colours.slots[run])
    if not references:
        return f"{name} There is nothing to compare it with."
    judged = references[1:] or references
    verdict = " ".join(sentence(measured, run, reference) for reference in judged)
    numbers = " ".join(
        f"Against {escape(reference)}: {_numbers(measured, run, reference)}." for reference in references
    )
    return f"{name} <b>{verdict}</b> <span class='more'>{kept(measured, run)}{numbers}</span>"


def compared_with(measured: Measured, run: str) -> list[str]:
    """The warm-up; and for every run but the baseline, the baseline and the control."""
    others = (measured.baseline, measured.data.control) if run != measured.baseline else ()
    wanted = dict.fromkeys((WARM_UP, *others))
    return [reference for reference in wanted if reference in measured.policies and reference != run]


def sentence(measured: Measured, run: str, reference: str) -> str:
    """Direction of every headline measure whose interval excludes zero, and the rest as not distinguishable."""
    up, down, neither = sorted_by_sign(measured, run, reference)
    role = ", the control," if reference == measured.data.control else ""
    name = "the warm-up" if reference == WARM_UP else f"{escape(reference)}{role}"
    clauses = []
    if any(m.name == ENTROPY for m in (*up, *down)):
        clauses.append(f"keeps {'more' if any(m.name == ENTROPY for m in up) else 'less'} token entropy")
    gains, pays = ([m.label for m in side if m.name != ENTROPY] for side in (up, down))
    if gains:
        clauses.append(f"gains in {listing(gains)}")
    if pays:
        clauses.append(f"pays in {listing(pays)}")
    same = listing([m.label.lower() if m.name == ENTROPY else m.label for m in neither], "or")
    if not clauses:
        return f"Not distinguishable from {name} in {same}."
    tail = f"; not distinguishable in {same}" if same else ""
    return f"Against {name} it {listing(clauses)}{tail}."


def sorted_by_sign(measured: Measured, run: str, reference: str) -> tuple[list[Measure], list[Measure], list[Measure]]:
    """Headline measures that are surely up, surely down, and neither."""
    sides: dict[int, list[Measure]] = {1: [], -1: [], 0: []}
    for measure in headline(measured):
        sides[decided(measured.difference(run, reference, measure.name))].append(measure)
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
    return f"Keeps {100 * after / before:.0f}\u202f% of the warm-up\u2019s token entropy. " if before > 0 else ""


def _numbers(measured: Measured, run: str, reference: str) -> str:
    """`pass@1 +0.15 (+0.12 to +0.19), ...`."""
    parts = []
    for measure in headline(measured):
        found = measured.difference(run, reference, measure.name)
        digits = _digits([bound for bound in (found.low, found.high) if bound is not None])
        bounds = interval(found.low, found.high, digits, sign=True)
        value = number(found.value, digits, sign=True)
        parts.append(
            f"{measure.label.lower() if measure.name == ENTROPY else measure.label} {value} ({bounds or 'no interval'})"
        )
    return ", ".join(parts)


def _digits(bounds: Sequence[float]) -> int:
    """Two decimals, or three where two would hide on which side of zero a bound lies, or make both bounds equal."""
    rounded = {round(bound, DIGITS) for bound in bounds}
    return DIGITS + 1 if 0.0 in rounded or len(rounded) < len(bounds) else DIGITS
