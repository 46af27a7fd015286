"""Which table a file is, told from the columns of its first rows and from what stands in them; never by a guess.

A table fits if its columns are there, some row has a reference answer by it, and nothing is left over that may belong to
the problem or be another answer. If tables fit that read other prompts or references, the file is refused, and so it is
if none fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlpipe.curate.files.answers import LeftOut, is_empty, reference, spelling
from rlpipe.curate.files.records import Place, Record, RowError
from rlpipe.curate.files.tables.columns import MISSING, Columns, at, value_of
from rlpipe.curate.files.tables.known import PARTS, TABLES
from rlpipe.curate.files.tables.rows import table_row

HEAD = 64  # rows that are looked at
LONGEST = 300  # characters of an answer in a column of its own; longer ones are worked solutions
ANSWERS = frozenset(("answer", "final_answer", "expected_answer", "reference_answer", "correct_answer", "target"))
ANSWERS |= {"correct", "label", "ground_truth", "gold", "answerkey"}
SAY = (
    "say to `rlpipe import`, or under `columns:` in curate.sources, which columns are what: --prompt '{{body}} {{question}}' "
    "--answer COLUMN, and --options, --pattern, --level, --id, --source where there are any; or name a layout: {known}"
)


@dataclass(frozen=True)
class Head:
    """The first rows of a file, and what is said of it: the columns, the data source."""

    rows: Sequence[tuple[Place, Record]]
    said: Columns
    source: str

    @property
    def place(self) -> Place:
        return self.rows[0][0]


def recognise(head: Head) -> str | None:
    """The name of the table that the rows are of; None if no known one has these columns.

    Raises: RowError if those that have them do not fit, or say different things; it names them and what is in the way.
    """
    fitting: dict[str, list[tuple[str, str]]] = {}
    in_the_way: list[str] = []
    for name, table in TABLES.items():
        columns = head.said.over(table.columns)
        if not all(any(value_of(row, c) is not MISSING for _, row in head.rows) for c in columns.required()):
            continue
        try:
            fitting[name] = _readings(head, columns)
        except RowError as error:
            in_the_way.append(f"as {name}: {error}")
    if fitting:
        return _only_one(head, fitting)
    if in_the_way:
        raise unknown(head.place, head.rows[0][1], in_the_way)
    return None


def unknown(place: Place, record: Record, in_the_way: Sequence[str] = ()) -> RowError:
    """The error of a file that no layout fits."""
    problem = "no known layout has these columns and fits their values"
    remedy = "\n  ".join([SAY.format(known=", ".join(sorted(TABLES))), *in_the_way])
    return place.error("(names)", sorted(record), problem, remedy)


def _only_one(head: Head, fitting: Mapping[str, list[tuple[str, str]]]) -> str:
    """The first of them, where all say the same."""
    first, *others = fitting
    for name in others:
        if any(a != b for a, b in zip(fitting[first], fitting[name], strict=True) if a[1] and b[1]):
            both = " or ".join(f"{n} ({_in_words(head.said.over(TABLES[n].columns))})" for n in (first, name))
            problem = f"may be read as {both}, and they differ"
            raise head.place.error("(names)", sorted(head.rows[0][1]), problem, SAY.format(known=" or ".join(fitting)))
    return first


def _in_words(columns: Columns) -> str:
    return f"prompt '{columns.prompt}', answer '{columns.answer}'"


def _readings(head: Head, columns: Columns) -> list[tuple[str, str]]:
    """Prompt and reference of each row, both empty where it has none. Raises: RowError for what is in the way."""
    _check_options(head, columns)
    read: list[tuple[str, str]] = []
    for place, record in head.rows:
        row = table_row(record, columns, head.source, place)
        if isinstance(row, LeftOut):
            read.append(("", ""))
            continue
        prompt, gold = row["prompt"][0]["content"], row["reward_model"]["ground_truth"]
        check_parts(record, columns, prompt, place)
        _check_answers(record, columns, gold, place)
        read.append((prompt.rstrip(), spelling(head.source, gold)))
    if not any(gold for _, gold in read):
        value = at(head.rows[0][1], columns.answer)
        raise head.place.error(
            str(columns.answer), value, "none of the first rows has an answer by it", "name another column"
        )
    return read


def _check_options(head: Head, columns: Columns) -> None:
    """Raises: RowError for a column of options without any, and for positions that may be counted from 0 or 1."""
    if columns.options is None:
        return
    rows = [record for _, record in head.rows if not is_empty(at(record, columns.options))]
    if not rows:
        value = at(head.rows[0][1], columns.options)
        raise head.place.error(columns.options, value, "no options in any of the first rows", "name no options")
    if columns.choice == 0 and head.said.choice is None and not any(at(row, columns.answer) == 0 for row in rows):
        value, problem = at(rows[0], columns.answer), "a position, and none of the first rows says 0"
        raise head.place.error(str(columns.answer), value, problem, "say what it is counted from: --choice 0 or 1")


def check_parts(record: Record, columns: Columns, prompt: str, place: Place) -> None:
    """Raises: RowError for a column that is not read and may belong to the problem."""
    used = {name.removesuffix("?") for _, name in columns.named()}
    for name, value in record.items():
        if name.lower() in PARTS and name not in used and not is_empty(value) and not _is_said(value, prompt):
            template = "{" + name + "} {" + columns.prompt_columns()[-1] + "}"
            remedy = (
                f"say so with --prompt '{template}' or --options {name}, or that it does not with --prompt and --answer"
            )
            raise place.error(name, value, "may belong to the problem, and is not read", remedy)


def _is_said(value: object, prompt: str) -> bool:
    return isinstance(value, str) and value.strip() in prompt


def _check_answers(record: Record, columns: Columns, gold: str, place: Place) -> None:
    """Raises: RowError for an answer that is a worked solution, or another one beside it."""
    name = str(columns.answer)
    if columns.pattern is None and (len(gold) > LONGEST or "####" in gold or "\\boxed" in gold):
        raise place.error(name, gold, "looks like a worked solution", "say where in it the answer is, with --pattern")
    if columns.options is not None and at(record, columns.options):
        return  # letters, positions and texts of options are not comparable
    used = {column.removesuffix("?") for _, column in columns.named()}
    for other, value in record.items():
        if other.lower() in ANSWERS and other not in used and not is_empty(value):
            text = reference(value, other, place)
            if text is not None and len(text) <= LONGEST and spelling("", text) != spelling("", gold):
                raise place.error(other, value, f"another answer than '{name}'", "say which one with --answer")
