"""The options of a multiple choice, listed under their letters, and the letter that is the reference answer."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rlpipe.curate.files.answers import is_empty
from rlpipe.curate.files.records import Place
from rlpipe.verifiers.canonical import parse

_LABEL = re.compile(r"\s*\(?([A-Za-z])\s*[).:]\s*")
_IN_LINE = re.compile(r"(?:^|(?<=\s))\(?([A-Za-z])\s?[).]")
_LETTER = re.compile(r"\(?([A-Za-z])[).:]?")
SAY = "say what the answers are: choice: letter, text, 0 or 1 (--choice)"


@dataclass(frozen=True)
class Options:
    """`listed` is what the prompt shows; `labels` name the options; `texts` are theirs, none where they stand in one text."""

    listed: str
    labels: tuple[str, ...]
    texts: tuple[str, ...] = ()


def options(value: Any, column: str, place: Place) -> Options | None:
    """The options of a row: a list, an object by label, `{label, text}`, or one text; None where there are none.

    Raises: RowError for options that are no text or number, or labels that are not in order.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        value = _parsed(value)
    if is_empty(value):
        return None
    if isinstance(value, str):
        return _in_one_text(value, column, place)
    if isinstance(value, Mapping) and set(value) == {"label", "text"}:
        value = _by_label(value["label"], value["text"], column, place)
    if isinstance(value, Mapping):
        given = {str(k): _text(v, column, place) for k, v in value.items() if v is not None}
        return _listed(tuple(given), tuple(given.values()))
    if not isinstance(value, list):
        raise place.error(column, value, "no list of options", "give a list, an object by letter, or one text")
    texts = [_text(v, column, place) for v in value]
    matches = [_LABEL.match(text) for text in texts]
    labels = tuple(match[1] if match else "" for match in matches)
    if _in_order(labels):
        bare = tuple(text[match.end() :] for text, match in zip(texts, matches, strict=True) if match)
        return Options("\n".join(text.strip() for text in texts), labels, bare)
    return _listed(tuple(chr(ord("A") + i) for i in range(len(texts))), tuple(texts))


def _by_label(labels: Any, texts: Any, column: str, place: Place) -> dict[str, Any]:
    if not isinstance(labels, list) or not isinstance(texts, list) or len(labels) != len(texts):
        raise place.error(column, (labels, texts), "not a label for each text", "give lists of one length")
    return dict(zip(map(str, labels), texts, strict=True))


def _parsed(text: str) -> Any:
    """A list or object written out, as CSV holds it; the text itself if it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text)
        except (ValueError, SyntaxError):
            continue
        return value if isinstance(value, list | dict) else text
    return text


def _text(value: Any, column: str, place: Place) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise place.error(column, value, "an option that is no text or number", "mend it, or leave the row out")
    return str(value)


def _listed(labels: tuple[str, ...], texts: tuple[str, ...]) -> Options:
    lines = (f"{label}) {text.strip()}" for label, text in zip(labels, texts, strict=True))
    return Options("\n".join(lines), labels, texts)


def _in_order(labels: tuple[str, ...]) -> bool:
    """A, B, C, ... or a, b, c, ..."""
    return labels[:1] in (("A",), ("a",)) and all(
        ord(b) - ord(a) == 1 for a, b in pairwise(label or "?" for label in labels)
    )


def _in_one_text(text: str, column: str, place: Place) -> Options:
    """Options in one text: `A) 3 B) 4`; a label counts where it is the next one."""
    labels: list[str] = []
    for match in _IN_LINE.finditer(text):
        if match[1] in ((chr(ord(labels[-1]) + 1),) if labels else ("A", "a")):
            labels.append(match[1])
    if len(labels) < 2:
        raise place.error(column, text, "no options A) and B) in it", "give a list, or name no options")
    return Options(text.strip(), tuple(labels))


def letter(answer: Any, found: Options, choice: str | int | None, column: str, place: Place) -> str:
    """The label of the right option.

    `choice`: as in `Columns`.
    Raises: RowError for an answer that is none of the options, or that may be one or another.
    """
    if isinstance(choice, int):
        return _at_position(answer, found, choice, column, place)
    by_letter = None if choice == "text" else _by_letter(answer, found)
    by_text = None if choice == "letter" else _by_text(answer, found)
    if by_letter and by_text and by_letter != by_text:
        raise place.error(column, answer, f"option {by_letter} by its letter and {by_text} by its text", SAY)
    right = by_letter or by_text
    if right is None or (choice is None and isinstance(answer, int | float)):
        raise place.error(column, answer, f"it is not clear which of the options {', '.join(found.labels)}", SAY)
    return right


def _at_position(answer: Any, found: Options, first: int, column: str, place: Place) -> str:
    text = str(int(answer)) if isinstance(answer, float) and answer.is_integer() else str(answer).strip()
    number = int(text) - first if text.isdecimal() else -1
    if not 0 <= number < len(found.labels):
        problem = f"no position among {len(found.labels)} options, counted from {first}"
        raise place.error(column, answer, problem, SAY)
    return found.labels[number]


def _by_letter(answer: Any, found: Options) -> str | None:
    """As the options have it, or in the other case if they have it so."""
    match = _LETTER.fullmatch(answer.strip()) if isinstance(answer, str) else None
    written = match[1] if match else str(answer).strip()
    return next((label for label in found.labels if label == written), None) or next(
        (label for label in found.labels if label.casefold() == written.casefold()), None
    )


def _by_text(answer: Any, found: Options) -> str | None:
    wanted = parse(str(answer)).canonical
    right = [label for label, text in zip(found.labels, found.texts, strict=False) if parse(text).canonical == wanted]
    return right[0] if len(right) == 1 else None
