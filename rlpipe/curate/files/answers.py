"""From what a file holds for an answer to a reference answer, and when two of them say the same.

Numbers keep their value whatever their type: 18.0 is `18`, 1e-07 is `0.0000001`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rlpipe.curate.files.records import Place
from rlpipe.verifiers.answer import verify_answers
from rlpipe.verifiers.canonical import parse
from rlpipe.verifiers.verify import verifier_module

NO_ANSWER = "no reference answer"
PLACEHOLDERS = frozenset(
    ("proof", "notfound", "not found", "not_found", "n/a", "nan", "null", "no answer", "no_answer")
)
VALUES = ("answer", "value", "final_answer", "ground_truth", "target")  # where an object keeps its answer
UNITS = ("unit", "units")
SEVERAL = "name the one that counts by its path (final_answer.0, answer.value), or leave the row out"


@dataclass(frozen=True)
class LeftOut:
    """Why a row is none: the reason, and what stood there."""

    reason: str
    detail: str = ""


def judged_by_answer(source: object) -> bool:
    """Whether answers to prompts of this source are compared as short answers, and not run, or checked by a family."""
    try:
        return verifier_module(str(source)) == "rlpipe.verifiers.answer"
    except ValueError:
        return False


def spelling(source: str, gold: str) -> str:
    """A reference answer without its spelling: `2/4`, `1/2` and `0.5` are one."""
    if not judged_by_answer(source):
        return gold
    value = parse(gold)
    return f"{value.canonical} {value.unit}".strip() or gold


def agree(source: str, golds: Iterable[str]) -> bool:
    """Whether reference answers say the same, as their verifier sees it: each is accepted where the first is asked for."""
    first, *rest = sorted({spelling(source, gold): gold for gold in golds}.values())
    if not rest:
        return True
    pairs = [(rf"\boxed{{{gold}}}", first) for gold in rest]
    return judged_by_answer(source) and all(verdict.correct for verdict in verify_answers(pairs))


def is_empty(value: object) -> bool:
    """Nothing, blank text, or no number."""
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (isinstance(value, float | Decimal) and math.isnan(value))
        or (isinstance(value, list | Mapping) and not any(not is_empty(v) for v in _parts(value)))
    )


def _parts(value: list[Any] | Mapping[str, Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, Mapping) else value


def is_placeholder(text: str) -> bool:
    """A word that stands where there is no answer: `proof`, `notfound`."""
    return text.strip().casefold() in PLACEHOLDERS


def reference(value: Any, column: str, place: Place) -> str | None:
    """The reference answer that a value is; None for none. Lists of one, or of one answer in several spellings, are read,
    and objects of an answer and its unit.

    Raises: RowError for anything else that is no text, number or truth value.
    """
    if is_empty(value):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal):
        return _number(Decimal(repr(value)) if isinstance(value, float) else value, column, place)
    if isinstance(value, list):
        return _of_list(value, column, place)
    if isinstance(value, Mapping):
        return _of_object(value, column, place)
    raise place.error(column, value, "no text or number", "name a column with the answer as text or number")


def _number(value: Decimal, column: str, place: Place) -> str:
    if not value.is_finite():
        raise place.error(column, value, "not a finite number", "mend it, or leave the row out")
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _of_list(values: list[Any], column: str, place: Place) -> str:
    read = [reference(value, column, place) for value in values]
    texts = [text for text in read if text is not None]
    if len({parse(text).canonical for text in texts}) > 1:
        raise place.error(column, values, "several answers, and it is not said whether all count or any", SEVERAL)
    return texts[0]


def _of_object(value: Mapping[str, Any], column: str, place: Place) -> str | None:
    filled = {name: inner for name, inner in value.items() if not is_empty(inner)}
    named = [name for name in filled if name in VALUES]
    if len(named) != 1 or any(name not in (*VALUES, *UNITS) for name in filled):
        raise place.error(column, value, "an object, of which it is not clear what the answer is", SEVERAL)
    text = reference(filled[named[0]], f"{column}.{named[0]}", place)
    unit = next((filled[name] for name in UNITS if name in filled), None)
    if unit is None or text is None:
        return text
    whole = parse(f"{text} {unit}")
    if whole.kind != "percent" and not whole.unit:
        raise place.error(column, value, f"{unit!r} is no unit that is known", SEVERAL)
    return f"{text} {unit}"
