r"""A row of a table of problems, by what its columns are, as a row of verl's layout."""

from __future__ import annotations

import re

from rlpipe.curate.files.answers import NO_ANSWER, LeftOut, is_empty, reference
from rlpipe.curate.files.records import Place, Record
from rlpipe.curate.files.tables.columns import FIELD, MISSING, Columns, at, value_of
from rlpipe.curate.files.tables.options import Options, letter, options
from rlpipe.curate.files.tables.patterns import found
from rlpipe.overlap import normalize

INSTRUCTION = {
    "####": 'Think step by step and write the final answer after "####".',
    "boxed": r"Think step by step and put the final answer within \boxed{}.",
    "letter": r"Think step by step and put the letter of the right option within \boxed{}.",
}


def table_row(record: Record, columns: Columns, source: str, place: Place) -> Record | LeftOut:
    """The row in verl's layout: a prompt of one message, the other columns of the row in `extra_info`.

    `columns` has a prompt and an answer; `source` is the data source where no column names one. An instruction on the
    form of the answer is added where no sentence at an end of the prompt has a marker: `####`, `\boxed`, `Answer:`.

    Returns: why the row is left out, if it has no reference answer.
    Raises: RowError for a missing problem, or a value that cannot be what its column is said to be.
    """
    listed = _options(record, columns, place)
    text = problem(record, columns, listed, place)
    gold = reference_of(record, columns, listed, place)
    if isinstance(gold, LeftOut):
        return gold
    named = at(record, columns.source)
    if not is_empty(named) and not isinstance(named, str):
        raise place.error(str(columns.source), named, "the data source must be text", "name another column, or none")
    gap = "\n" if listed else " "
    prompt = text if normalize.has_instruction(text) else f"{text}{gap}{INSTRUCTION[_form(columns, listed)]}"
    return {
        "data_source": source if is_empty(named) else named,
        "prompt": [{"role": "user", "content": prompt}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": gold},
        "extra_info": _extra(record, columns, text, place),
    }


def _form(columns: Columns, listed: Options | None) -> str:
    return columns.form or ("letter" if listed else "boxed")


def _options(record: Record, columns: Columns, place: Place) -> Options | None:
    value = at(record, columns.options)
    return None if columns.options is None or is_empty(value) else options(value, columns.options, place)


def problem(record: Record, columns: Columns, listed: Options | None, place: Place) -> str:
    """The text of the problem, with its options. Raises: RowError for a column that is missing, or is no text."""
    assert columns.prompt is not None
    shown = listed.listed if listed else ""
    if not FIELD.search(columns.prompt):
        text = _text(record, columns.prompt, place)
        return f"{text.rstrip()}\n{shown}" if shown else text

    def filled(match: re.Match[str]) -> str:
        name, blank = match[1], match[2]
        text = shown if name == columns.options else _text(record, name, place)
        return text + blank if text else ""

    text = re.sub(FIELD.pattern + r"(\s*)", filled, columns.prompt).strip()
    return f"{text}\n{shown}" if shown and columns.options not in columns.prompt_columns() else text


def _text(record: Record, name: str, place: Place) -> str:
    value = value_of(record, name)
    if name.endswith("?") and (value is MISSING or is_empty(value)):
        return ""
    if value is MISSING:
        raise place.error(
            name, None, f"missing; the columns are {', '.join(record)}", f"name another one, or '{name}?'"
        )
    if is_empty(value):
        raise place.error(name, value, "missing", "fill it in, remove the row, or name another format")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise place.error(name, value, "must be text", "fill it in, or leave the row out")
    return str(value)


def reference_of(record: Record, columns: Columns, listed: Options | None, place: Place) -> str | LeftOut:
    """The reference answer of a row. Raises: RowError for a value that is none, or may be several."""
    name = str(columns.answer)
    value = at(record, name)
    if is_empty(value):
        return LeftOut(NO_ANSWER, f"column '{name}' is {value!r}")
    if columns.pattern is not None:
        if not isinstance(value, str):
            raise place.error(
                name, value, f"no text to look for {columns.pattern} in", "name another column, or no pattern"
            )
        inside = found(value, columns.pattern)
        if is_empty(inside):
            return LeftOut(
                NO_ANSWER, f"column '{name}' has no answer by the pattern {columns.pattern}: {value[:200]!r}"
            )
        value = inside
    if listed is not None:
        return letter(value, listed, columns.choice, name, place)
    return reference(value, name, place) or LeftOut(NO_ANSWER, f"column '{name}' is {value!r}")


def _extra(record: Record, columns: Columns, text: str, place: Place) -> Record:
    """The row's place and name, the problem, and every column that is not kept elsewhere; worked answers stay."""
    used = {str(columns.source).removesuffix("?"), str(columns.prompt)}
    used |= set() if columns.pattern else {str(columns.answer)}
    rest = {name: value for name, value in record.items() if name not in used}
    name = at(record, columns.id)
    index = rest.get("index", place.row - 1) if columns.id is None or is_empty(name) else name
    split = rest.get("split")
    return {"question": text, **rest, "split": split if isinstance(split, str) else None, "index": index}


def level_of(record: Record, columns: Columns) -> str | None:
    """The level of a row, as text."""
    value = at(record, columns.level)
    return None if is_empty(value) else str(value)
