"""Multiple choice: the options of a prompt, and the letter that is its reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlpipe.curate.files.records import Record, RowError
from tests.curate.data import gold, one, prompt

OPTIONS = ["red", "green", "blue"]
LISTED = "A) red\nB) green\nC) blue"
OPTIONAL = {"prompt": "q", "answer": "a", "options": "o"}


@pytest.mark.parametrize(
    ("options", "answer", "choice", "listed", "letter"),
    [
        (OPTIONS, "b", None, LISTED, "B"),
        (OPTIONS, "(C)", None, LISTED, "C"),
        (OPTIONS, "green", None, LISTED, "B"),
        (OPTIONS, 1, 1, LISTED, "A"),
        (OPTIONS, "1", 0, LISTED, "B"),
        ([1, 2.5, 3], "5/2", "text", "A) 1\nB) 2.5\nC) 3", "B"),
        ({"A": "x", "B": "y"}, "B", None, "A) x\nB) y", "B"),
        ({"A": "x", "B": "y", "C": None}, "y", None, "A) x\nB) y", "B"),
        ("['A. x', 'B. y']", "B", None, "A. x\nB. y", "B"),
        (["1.5", "2.5", "3.5"], "2.5", None, "A) 1.5\nB) 2.5\nC) 3.5", "B"),
        (["B", "A"], "A", "letter", "A) B\nB) A", "A"),
        (["B", "A"], "A", "text", "A) B\nB) A", "B"),
        ("(A) 1 (B) 2", "B", None, "(A) 1 (B) 2", "B"),
    ],
)
def test_options_are_listed_and_the_reference_is_a_letter(
    tmp_path: Path, options: Any, answer: Any, choice: Any, listed: str, letter: str
) -> None:
    row = one(tmp_path, {"q": "Which?", "o": options, "a": answer}, **OPTIONAL, choice=choice)
    assert prompt(row).partition("\nThink")[0] == f"Which?\n{listed}"
    assert gold(row) == letter


def test_a_template_says_where_the_options_stand(tmp_path: Path) -> None:
    said = {"prompt": "Of these:\n{o}\n{q} Answer: a letter", "answer": "a", "options": "o"}
    assert (
        prompt(one(tmp_path, {"q": "Which?", "o": OPTIONS, "a": "A"}, **said))
        == f"Of these:\n{LISTED}\nWhich? Answer: a letter"
    )


@pytest.mark.parametrize(
    ("changed", "said", "message"),
    [
        ({"a": "red or green"}, {}, "column 'a' is 'red or green': it is not clear which of the options A, B, C"),
        ({"a": 2}, {}, "column 'a' is 2: it is not clear which .* choice: letter, text, 0 or 1"),
        ({"a": 3}, {"choice": 0}, "column 'a' is 3: no position among 3 options, counted from 0"),
        ({"a": 0}, {"choice": 1}, "no position among 3 options, counted from 1"),
        ({"a": "A", "o": ["B", "A"]}, {}, "option A by its letter and B by its text"),
        ({"a": "red", "o": ["red", "red"]}, {}, "it is not clear which of the options A, B;"),
        ({"a": True}, {"choice": 0}, "column 'a' is True: no position among 3"),
        ({"o": [None, "x"]}, {}, "column 'o' is None: an option that is no text"),
        ({"o": "1 or 2"}, {}, r"column 'o' is '1 or 2': no options A\) and B\) in it"),
        ({"q": None}, {}, "column 'q' is None: missing; fill it in"),
        ({"q": ["x"]}, {}, r"column 'q' is \['x'\]: must be text"),
        ({}, {"prompt": "{Q}"}, "column 'Q' is None: missing; the columns are q, o, a; name another one, or 'Q\\?'"),
        (
            {"o": None, "a": [1, 2]},
            {},
            r"column 'a' is \[1, 2\]: several answers, .* name the one that counts by its path",
        ),
        ({"a": 5}, {"pattern": "x"}, "column 'a' is 5: no text to look for x in"),
        ({"s": 5}, {"source": "s"}, "column 's' is 5: the data source must be text"),
    ],
)
def test_what_is_not_clear_is_refused(tmp_path: Path, changed: Record, said: Record, message: str) -> None:
    with pytest.raises(RowError, match=r"set.jsonl: row 1: " + ".*" * (not message.startswith("column")) + message):
        one(tmp_path, {"q": "Which?", "o": OPTIONS, "a": "A"} | changed, **(OPTIONAL | said))
