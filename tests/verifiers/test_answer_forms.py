"""Answers as people and models write them: those that failed once, and every pair of the grammar of forms."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.answers import Pair, ours, pairs
from rlpipe.verifiers.answer import EVALUATION, TRAINING, AnswerSpec, gold_status, verify_answer

RIGHT = [
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\boxed{\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}}"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\boxed{\begin{pmatrix}1\\2\end{pmatrix}}"),
    ("3/2", r"\boxed{1\frac{1}{2}}"),
    ("3/2", r"\boxed{\left(\frac{3}{2}\right)}"),
    ("1500", r"\boxed{1.5\times10^{3}}"),
    ("0.00012", r"\boxed{1.2\times 10^{-4}}"),
    ("1e-05", r"\boxed{0.00001}"),
    ("10000", r"\boxed{10\,000}"),
    ("5", r"\boxed{AB = 5}"),
    ("5", r"\boxed{x_1=5}"),
    ("5", r"\boxed{P(A)=5}"),
    (r"10\sqrt{3}", r"\boxed{10\sqrt{3}\text{ cm}^2}"),
    (r"9\pi", r"\boxed{9\pi\text{ cm}^2}"),
    ("5", r"\boxed{5\text{ m/s}^2}"),
    (r"\text{even}", r"\boxed{\text{Even}}"),
    ("2x+4y-3=0", r"\boxed{y = -\frac{1}{2}x + \frac{3}{4}}"),
    ("18", "#### **18**"),
    ("18", "Answer: 18<|im_end|>"),
    (r"0.\overline{3}", r"\boxed{\frac13}"),
    ("5", r"$\boxed 5$"),
]
WRONG = [
    (r"\frac{1}{2^{99}}", r"\boxed{\frac{1}{2^{98}}}"),
    ("e^{-40}", r"\boxed{e^{-50}}"),
    (r"\left(\frac{1}{2}\right)^{60}", r"\boxed{\left(\frac{1}{2}\right)^{70}}"),
    (r"\frac{1}{2004!}", r"\boxed{\frac{1}{2006!}}"),
    ("2024-01-05", r"\boxed{2024-05-01}"),
    ("2024-01-05", r"\boxed{2018}"),
    ("10-20", r"\boxed{20-30}"),
    ("1010_2", r"\boxed{1010_3}"),
    ("1010_2", r"\boxed{1010}"),
    ("7:00", r"\boxed{8:00}"),
    ("5", r"<think>maybe \boxed{5}, but let me check further"),
]
PAIRS = pairs()


@pytest.mark.parametrize("spec", [TRAINING, EVALUATION], ids=["training", "evaluation"])
@pytest.mark.parametrize(("reference", "response"), RIGHT)
def test_once_refused(reference: str, response: str, spec: AnswerSpec) -> None:
    assert gold_status(reference) == "ok"
    assert verify_answer(response, reference, spec).status == "ok"


@pytest.mark.parametrize(("reference", "response"), WRONG)
def test_once_accepted(reference: str, response: str) -> None:
    for spec in (TRAINING, EVALUATION):
        assert verify_answer(response, reference, spec).status in ("wrong", "no_answer")


def judged(spec: AnswerSpec) -> tuple[list[Pair], list[Pair]]:
    """Wrong answers that are accepted, and right ones that are refused."""
    verdicts = list(zip(PAIRS, ours(PAIRS, spec), strict=True))
    return [p for p, ok in verdicts if ok and not p.right], [p for p, ok in verdicts if not ok and p.right]


def test_the_grammar_says_enough() -> None:
    assert len(PAIRS) >= 4000
    sizes = Counter(pair.kind for pair in PAIRS)
    assert len(sizes) >= 80
    assert sum(not pair.right for pair in PAIRS) >= 1500


def test_no_wrong_answer_is_accepted_and_next_to_no_right_one_refused() -> None:
    accepted, refused = judged(EVALUATION)
    assert accepted == []
    assert len(refused) <= 0.02 * sum(pair.right for pair in PAIRS), refused


def test_training_is_stricter_with_several_boxes_and_with_work_left_undone_alone() -> None:
    accepted, refused = judged(TRAINING)
    assert accepted == []
    stricter = {pair.kind for pair in refused if not pair.undone} - {pair.kind for pair in judged(EVALUATION)[1]}
    assert stricter == {"several boxes, the last right"}
    assert [pair for pair in refused if pair.undone] == [pair for pair in PAIRS if pair.undone]
