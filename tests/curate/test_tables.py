"""Tables of problems: the known ones, and any other by what its columns are said to be."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlpipe.curate.files.answers import is_empty
from rlpipe.curate.files.records import Record, RowError
from rlpipe.curate.files.tables.known import TABLES
from tests.curate.data import field, gold, lines, one, prompt, read

OPTIONS = ["red", "green", "blue"]
LISTED = "A) red\nB) green\nC) blue"
# By table: a row; the beginning of its prompt; its reference; its level; its id.
ROWS: dict[str, tuple[Record, str, str, str | None, str]] = {
    "gsm8k": ({"question": "q", "answer": "so\n#### 1,004"}, "q ", "1004", None, "0"),
    "math": ({"problem": "p", "answer": 18.0, "level": "Level 3", "id": 7}, "p ", "18", "Level 3", "7"),
    "math_solution": ({"problem": "p", "solution": r"so \boxed{4}"}, "p ", "4", None, "0"),
    "openmath": ({"problem": "p", "expected_answer": "4", "generated_solution": "long"}, "p ", "4", None, "0"),
    "svamp": ({"Body": "b.", "Question": "q?", "Answer": 4.5, "ID": "c-1", "Type": "t"}, "b. q? ", "4.5", None, "c-1"),
    "asdiv": ({"body": "b.", "question": "q? ", "answer": "9 (apples)", "idx": 3}, "b. q? ", "9", None, "3"),
    "mawps": ({"input": "q", "target": 43.0, "idx": 5}, "q ", "43", None, "5"),
    "cmath": ({"grade": 2, "question": "q", "answer": "9", "num_digits": 2}, "q ", "9", "2", "0"),
    "carp": (
        {"content": "q", "answer": "b^2", "exprs": ["b^2"], "edges": {"nodes": [{"id": "x"}]}},
        "q ",
        "b^2",
        None,
        "0",
    ),
    "olympiadbench": (
        {"id": 16, "context": "c.", "question": "\nq", "final_answer": ["$2$"], "unit": None, "solution": ["long"]},
        "c. \nq ",
        "$2$",
        None,
        "16",
    ),
    "metamath": ({"query": "q", "response": "so\nThe answer is: 4", "type": "t"}, "q ", "4", None, "0"),
    "aqua": (
        {"question": "q", "options": ["A)1", "B)2"], "correct": "B", "rationale": "r"},
        "q\nA)1\nB)2\nThink",
        "B",
        None,
        "0",
    ),
    "mathqa": (
        {"Problem": "p", "options": "a ) 38 , b ) 27 , c ) 30", "correct": "b"},
        "p\na ) 38 , b ) 27",
        "b",
        None,
        "0",
    ),
    "sat_math": (
        {"id": "9", "question": "q", "options": "A) $-10$ B) 0", "Answer": "B"},
        "q\nA) $-10$ B) 0\nThink",
        "B",
        None,
        "9",
    ),
    "mmlu": ({"question": "q", "choices": OPTIONS, "answer": 0, "type": "t"}, f"q\n{LISTED}\nThink", "A", None, "0"),
    "mmlu_letters": ({"question": "q", "choices": OPTIONS, "answer": "C"}, f"q\n{LISTED}\nThink", "C", None, "0"),
    "mmlu_pro": (
        {"question_id": 70, "question": "q", "options": OPTIONS, "answer": "C", "answer_index": 2},
        f"q\n{LISTED}\nThink",
        "C",
        None,
        "70",
    ),
    "arc": (
        {"id": "M1", "question": "q", "choices": {"text": OPTIONS, "label": ["1", "2", "3"]}, "answerKey": "3"},
        "q\n1) red\n2) green\n3) blue\nThink",
        "3",
        None,
        "M1",
    ),
    "agieval": (
        {"passage": "t.", "question": "q", "options": ["(A)1", "(B)2"], "label": "B", "answer": None},
        "t. q\n(A)1\n(B)2\nThink",
        "B",
        None,
        "0",
    ),
    "question": ({"question": "q", "answer": "$5$;$10$", "options": None, "id": 3}, "q ", "$5$;$10$", None, "3"),
    "question_capital": ({"Question": "q", "Answer": 4, "ID": "x"}, "q ", "4", None, "x"),
}


def test_every_known_table_is_tried() -> None:
    assert ROWS.keys() == TABLES.keys()


@pytest.mark.parametrize("name", TABLES)
def test_known_tables_are_told_from_their_columns(tmp_path: Path, name: str) -> None:
    record, text, answer, level, index = ROWS[name]
    ((layout, row),) = read(lines(tmp_path / "set.jsonl", record))
    assert layout == name
    assert isinstance(row, dict)
    assert (gold(row), row["difficulty"], row["extra_info"]["index"]) == (answer, level, index)
    assert prompt(row).startswith(text)
    assert prompt(row).count("step by step") == 1
    assert row["data_source"] == (TABLES[name].source or "set")


@pytest.mark.parametrize("name", TABLES)
def test_known_tables_can_be_said_in_the_words_of_columns(tmp_path: Path, name: str) -> None:
    record = ROWS[name][0]
    path = lines(tmp_path / "set.jsonl", record)
    told = read(path, data_source="s")
    said = read(path, data_source="s", columns=TABLES[name].columns.given)
    assert said[0][0] == "columns"
    assert [row for _, row in said] == [row for _, row in told]


FIELD = {
    "aime24": ("math", "204", "Every morning Aya", "60"),
    "amc23": ("math", "27", "Cities $A$ and", "0"),
    "aqua": ("aqua", "A", "A car is being driven", "0"),
    "asdiv": ("asdiv", "9", "Seven red apples and two green apples are in the basket. How many apples are", "0"),
    "carp_en": ("carp", "b ^ { 2 } - 9 a ^ { 2 }", "Calculate", "0"),
    "cmath": ("cmath", "9", "芳芳买了", "0"),
    "college_math": ("question", "$10-4 n$", "Simplify:", "0"),
    "gaokao2023en": ("question", r"$\{x|-2\leq x < 1\}$", "Given sets", "0"),
    "gaokao_math_cloze": ("question", "2", "已知", "0"),
    "mawps": ("mawps", "43", "Joan found 70", "0"),
    "minerva_math": ("math_solution", "1.6", "Each of the two Magellan", "0"),
    "mmlu_stem": ("mmlu", "C", "Based on the characteristic", "0"),
    "olympiadbench": ("olympiadbench", "2", "Xenia and Sergey", "1606"),
    "sat_math": ("sat_math", "A", "The graph of the polynomial", "0"),
    "svamp": ("svamp", "145", "There are 87 oranges and 290 bananas", "chal-777"),
}


@pytest.mark.parametrize("name", FIELD)
def test_public_benchmarks_are_read_as_they_are_shipped(name: str) -> None:
    rows = read(field(f"layouts/{name}.jsonl"))
    layout, answer, text, index = FIELD[name]
    assert [found for found, _ in rows] == [layout] * 6
    first = rows[0][1]
    assert isinstance(first, dict)
    assert (gold(first), first["extra_info"]["index"]) == (answer, index)
    assert prompt(first).startswith(text)
    assert all(isinstance(row, dict) for _, row in rows)


def test_a_template_of_columns_of_which_some_may_be_missing(tmp_path: Path) -> None:
    record = {"meta": {"Body": "There are 3 cats"}, "Q": "How many?", "note": None, "year": 2024, "a": [{"v": "3"}]}
    said = {"prompt": r"{note?} {meta.Body}. {Q} ({year}) Write \boxed{}.", "answer": "a.0.v", "level": "year"}
    row = one(tmp_path, record, **said)
    assert prompt(row) == r"There are 3 cats. How many? (2024) Write \boxed{}."
    assert (gold(row), row["difficulty"]) == ("3", "2024")


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("What is 2+2?", True),
        (r"Two parts. One has \boxed{3}. What is 2+2?", True),
        ("Part one.\nFinal answer: it is 3.\n\nWhat is 2+2?", True),
        (r"What is 2+2? Put it in \boxed{}.", False),
        (r"Put it in \boxed{}. What is 2+2?", False),
        ("What is 2+2?\nAnswer:", False),
        ("2+2 is #### what", False),
    ],
)
def test_an_instruction_is_added_where_there_is_none(tmp_path: Path, text: str, added: bool) -> None:
    assert (prompt(one(tmp_path, {"problem": text, "answer": "4"})) != text) == added


def test_what_is_not_said_is_recognised(tmp_path: Path) -> None:
    record = {"problem": "p", "answer": "4", "difficulty": 7, "domain": "algebra"}
    row = one(tmp_path, record, level="difficulty", source="domain", form="####")
    assert (row["difficulty"], row["data_source"], gold(row)) == ("7", "algebra", "4")
    assert "####" in prompt(row)


def test_other_columns_are_kept(tmp_path: Path) -> None:
    record = {"problem": "p", "answer": "4", "solution": "so 4", "split": ["a"], "n": 1}
    row = one(tmp_path, record, prompt="{problem}", answer="answer")
    kept = {"question": "p", "problem": "p", "solution": "so 4", "n": 1}
    assert json.loads(row["metadata_json"])["extra_info"] == kept
    assert row["extra_info"] == {"split": None, "index": "0"}


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"a": 1}, r"is \['a'\]: no known layout has these columns.*--prompt .*--answer COLUMN"),
        (
            {"question": "q", "context": "c", "answer": "4"},
            "as question: .*column 'context' is 'c': may belong to the problem",
        ),
        ({"question": "q", "Image": "x.png", "answer": "4"}, "column 'Image' is 'x.png': may belong to the problem"),
        ({"problem": "Setting", "question": "q?", "answer": "4"}, "as math: .*column 'question' is 'q\\?': may belong"),
        ({"problem": "p", "answer": "4", "target": 5}, "column 'target' is 5: another answer than 'answer'"),
        ({"question": "q", "answer": "4", "final_answer": "5"}, "another answer than"),
        (
            {"question": "q", "answer": "x" * 400},
            "looks like a worked solution; say where in it the answer is, with --pattern",
        ),
        (
            {"question": "q", "choices": OPTIONS, "answer": 2},
            "a position, and none of the first rows says 0; .*--choice 0 or 1",
        ),
        ({"problem": "p", "answer": ["1", "2"]}, "several answers"),
        ({"problem": "p", "answer": ""}, "none of the first rows has an answer by it"),
    ],
)
def test_what_may_be_read_otherwise_is_not_recognised(tmp_path: Path, record: Record, message: str) -> None:
    with pytest.raises(RowError, match="(?s)" + message):
        one(tmp_path, record)


def test_an_answer_of_its_own_goes_before_one_in_a_solution(tmp_path: Path) -> None:
    row = one(tmp_path, {"problem": "p", "answer": "A", "solution": r"so \boxed{4}"})
    assert gold(row) == "A"


def test_tables_that_read_the_same_differently_are_named(tmp_path: Path) -> None:
    record = {"input": "q", "target": "3", "content": "r", "answer": "3"}
    with pytest.raises(
        RowError, match=r"may be read as mawps \(prompt 'input', answer 'target'\) or carp \(prompt 'content'"
    ):
        one(tmp_path, record)


def test_a_later_row_with_more_to_its_problem_is_named(tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "answer": "4", "context": None if i < 80 else "c"} for i in range(81)]
    with pytest.raises(RowError, match="row 81: column 'context' is 'c': may belong to the problem, and is not read"):
        read(lines(tmp_path / "set.jsonl", *rows))


def test_a_name_that_selects_a_verifier_of_programs_is_asked_about(tmp_path: Path) -> None:
    path = lines(tmp_path / "apps.jsonl", {"problem": "p", "answer": "4"})
    with pytest.raises(RowError, match="'apps' as data source selects a verifier of its own; name the data source"):
        read(path)
    assert read(path, data_source="m")[0][1]["data_source"] == "m"  # type: ignore[index]


def test_columns_are_not_for_conversations(tmp_path: Path) -> None:
    path = lines(tmp_path / "set.jsonl", {"problem": "p", "answer": "4"})
    with pytest.raises(RowError, match=r"columns \{'level': 'x'\} are said of a file in the layout verl"):
        read(path, format="verl", columns={"level": "x"})


def test_rows_that_only_one_table_reads_are_no_contradiction(tmp_path: Path) -> None:
    rows = [
        {"problem": "p", "answer": "4", "solution": r"so \boxed{4}"},
        {"problem": "q", "answer": "5", "solution": "so"},
    ]
    assert [layout for layout, _ in read(lines(tmp_path / "set.jsonl", *rows))] == ["math", "math"]


def test_a_worked_solution_is_no_other_answer(tmp_path: Path) -> None:
    assert gold(one(tmp_path, {"problem": "p", "answer": "4", "ground_truth": "step " * 100})) == "4"


def test_what_is_said_goes_before_what_a_layout_says(tmp_path: Path) -> None:
    path = lines(tmp_path / "set.jsonl", {"question": "q", "answer": "so\n#### 7", "final": "8", "data_source": "d"})
    rows = [
        read(path, format="gsm8k", columns={"answer": "final"}),
        read(path, format="gsm8k", columns={"level": "final", "source": "data_source"}),
        read(path, format="gsm8k", columns={"source": "data_source"}, data_source="e"),
    ]
    found = [row for ((_, row),) in rows if isinstance(row, dict)]
    assert [gold(row) for row in found] == ["8", "7", "7"], "the pattern belongs to the answer"
    assert [row["data_source"] for row in found] == ["openai/gsm8k", "d", "e"]
    assert found[1]["difficulty"] == "8"


NAMES = st.sampled_from(["problem", "question", "prompt", "answer", "options", "choices", "correct", "Answer", "label"])
WORDS = st.sampled_from(["A", "x", "A) 1 B) 2", "#### 7", " ", "[", "['x', 'y']", "{'A': 1}"])
LEAF = st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | WORDS
KEYS = st.sampled_from(["role", "content", "label", "text", "answer", "unit", "A", "B"])
ANYTHING = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
TOLD = {"prompt": "{question?} {problem?}", "answer": "answer", "options": "options?"}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, ANYTHING, max_size=3), ANYTHING, ANYTHING, st.sampled_from(["question", "problem"]))
def test_whatever_a_table_holds_it_is_read_or_refused(
    tmp_path: Path, more: Record, answer: object, options: object, name: str
) -> None:
    record = {**more, name: "Which?", "answer": answer, "options": options}
    path = lines(tmp_path / "set.jsonl", record)
    for columns in ({}, *(TOLD | {"choice": choice} for choice in (None, "letter", "text", 0, 1))):
        with suppress(RowError):
            ((_, row),) = read(path, columns=columns, data_source="m")
            if isinstance(row, dict):
                assert gold(row).strip()
                assert "Which?" in prompt(row)
                assert is_empty(options) or gold(row) in prompt(row).partition("Which?")[2], "the letter is listed"
