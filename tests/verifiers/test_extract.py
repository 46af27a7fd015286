"""Which part of a response is its answer."""

from __future__ import annotations

import pytest

from rlpipe.verifiers.extract import TAIL, answer_line, answer_text, boxes, hashes, last_number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"\boxed{a} and \boxed{b{c}d}", ["a", "b{c}d"]),
        (r"\boxed{a\boxed{b}}", ["b"]),
        (r"\boxed{\boxed{a}\boxed{b}}", ["a", "b"]),
        (r"\boxed{\{1\}}", [r"\{1\}"]),
        (r"\boxed{a} \boxed{b", ["a"]),
        (r"\boxed{\boxed{b}", ["b"]),
        (r"} } \boxed{a} } {", ["a"]),
        (r"\boxed{} \boxed{ }", []),
        (r"\boxeda{b} \box{c}", []),
        ("\\boxed{\na\n}", ["\na\n"]),
    ],
)
def test_boxes(text: str, found: list[str]) -> None:
    assert boxes(text) == found


def test_answer_text() -> None:
    assert answer_text("<think>a</think>b") == "b"
    assert answer_text("a</think>b</think>c") == "c"
    assert answer_text("a<think>b") is None
    assert answer_text("<think>a</think>b<think>c") is None
    assert answer_text("x" * 5000 + "y") == "x" * (TAIL - 1) + "y"
    assert answer_text("</think>" + "x" * 10) == "x" * 10


def test_markers() -> None:
    assert hashes("#### 1\n#### 2 \n####\n") == "2"
    assert hashes("##### 5") is None
    assert hashes("a #### b") == "b"
    assert answer_line("Answer: 1\nANSWER : 2\nanswer:") == "2"
    assert answer_line("The answer is 5") is None
    assert answer_line("Answer: 6*7") == "6*7"
    assert last_number("from 1,000.5 to -3, say") == "-3"
    assert last_number("none") is None
