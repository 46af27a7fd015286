"""A sentence or two per run, worded from the intervals: what it gains, what it pays, and what cannot be told apart."""

from __future__ import annotations

from rlpipe.evaluate.paired import Paired
from rlpipe.report.data import WARM_UP
from rlpipe.report.markup import escape, interval, listing, number, run_name
from rlpipe.report.measures import Measure, Measured, decided

NAMES = {"token_entropy": "token entropy"}


def verdicts(measured: Measured) -> list[str]:
    """One list item per run: against the warm-up, then the baseline, then the control."""
    return [_of(measured, run) for run in measured.runs]


def _of(measured: Measured, run: str) -> str:
    sentences = []
    if WARM_UP in measured.policies:
        sentences.append(against_warm_up(measured, run))
    references = dict.fromkeys((measured.baseline, measured.data.control))
    for reference in references:
        if reference and reference != run and reference in measured.policies:
            sentences.append(against(measured, run, reference))
    slot = measured.data.colours.slots[run]
    return f"{run_name(run, slot)}. " + " ".join(sentences or ["There is nothing to compare it with."])


def against_warm_up(measured: Measured, run: str) -> str:
    """What training did to pass@1, the largest k and entropy."""
    gains, pays, same = _sorted(measured, run, WARM_UP, entropy=False)
    clauses = []
    if gains:
        clauses.append(f"gains {listing(gains)}")
    if pays:
        clauses.append(f"{'but ' if gains else ''}loses {listing(pays)}")
    if same:
        clauses.append(f"is not distinguishable from it in {listing(same, 'or')}")
    before = float(measured.values(WARM_UP, "token_entropy").mean())
    after = float(measured.values(run, "token_entropy").mean())
    text = f"Against the warm-up it {_join(clauses)}"
    if before > 0:
        text += (
            f"; its token entropy is {number(after, 2)} nats, {100 * after / before:.0f}\u202f% of the warm-up\u2019s"
        )
    return text + "."


def against(measured: Measured, run: str, reference: str) -> str:
    """The same against another run, entropy included."""
    gains, pays, same = _sorted(measured, run, reference, entropy=True)
    name = f"<strong>{escape(reference)}</strong>"
    if reference == measured.data.control:
        name += ", the control,"
    if not gains and not pays:
        return f"It is not distinguishable from {name} in {listing(same, 'or')}."
    clauses = []
    if gains:
        clauses.append(f"keeps {gains[0]}" if "token entropy" in gains[0] else f"gains {gains[0]}")
        clauses.extend(f"gains {gain}" for gain in gains[1:])
    if pays:
        clauses.append(f"{'but ' if gains else ''}pays {listing(pays)}")
    if same:
        clauses.append(f"is not distinguishable from it in {listing(same, 'or')}")
    return f"Against {name} it {_join(clauses)}."


def _join(clauses: list[str]) -> str:
    """Clauses that share a subject; `but` joins by itself."""
    text = clauses[0] if clauses else "cannot be compared"
    for i, clause in enumerate(clauses[1:], 1):
        text += f" {clause}" if clause.startswith("but ") else f"{' and' if i == len(clauses) - 1 else ','} {clause}"
    return text


def _sorted(measured: Measured, run: str, reference: str, entropy: bool) -> tuple[list[str], list[str], list[str]]:
    """Differences that are surely up, surely down, and neither."""
    up: list[str] = []
    down: list[str] = []
    neither: list[str] = []
    for measure in headline(measured, entropy):
        found = measured.difference(run, reference, measure.name)
        where = {1: up, -1: down, 0: neither}[decided(found)]
        where.append(_words(found, measure, decided(found)))
    return up, down, neither


def headline(measured: Measured, entropy: bool) -> list[Measure]:
    """Entropy, pass@1 and pass@k at the largest k, in this order."""
    by_name = {m.name: m for m in measured.measures}
    names = (["token_entropy"] if entropy else []) + ["pass@1", f"pass@{measured.ks[-1]}"]
    return [by_name[name] for name in dict.fromkeys(names)]


def _words(found: Paired, measure: Measure, sign: int) -> str:
    """`0.14 in pass@1 (0.11 to 0.17)`; the difference's interval alone where its sign is not settled."""
    name = NAMES.get(measure.name, measure.label)
    if sign == 0:
        return f"{name} ({interval(found.low, found.high, 2, sign=True) or 'no interval'})"
    low, high = sorted((abs(found.low or 0), abs(found.high or 0)))
    unit = (
        " nats more"
        if measure.name == "token_entropy" and sign > 0
        else " nats"
        if measure.name == "token_entropy"
        else ""
    )
    return (
        f"{number(abs(found.value), 2)}{unit} in {name} ({interval(low, high, 2)})"
        if not unit
        else (f"{number(abs(found.value), 2)}{unit} {'' if sign > 0 else 'of '}{name} ({interval(low, high, 2)})")
    )
