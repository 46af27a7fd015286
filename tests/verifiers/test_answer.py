"""Short answers: every row of the contract's table of expected results, and the traps around it."""

from __future__ import annotations

import time

import pytest

from rlpipe.verifiers.answer import EVALUATION, TRAINING, VERSION, AnswerSpec, verify_answer, verify_answers
from tests.verifiers.processes import QUADRATIC

EXACT = AnswerSpec(symbolic=False)
LAST = AnswerSpec(multi_box="last", symbolic=False)

TABLE = [
    (r"\boxed{1} no wait \boxed{10}", "10", LAST, "ok"),
    (r"\boxed{1} no wait \boxed{10}", "10", EXACT, "ambiguous"),
    (r"\boxed{10} so \boxed{10.0}", "10", EXACT, "ok"),
    ("#### 1,234", "1234", EXACT, "ok"),
    ("#### $12", "12", EXACT, "ok"),
    ("#### 12.00", "12", EXACT, "ok"),
    ("####12", "12", EXACT, "ok"),
    ("**Answer:** 42", "42", EXACT, "ok"),
    ("Answer: 42.", "42", EXACT, "ok"),
    (r"\boxed{0.5}", r"\frac{1}{2}", EXACT, "ok"),
    (r"\boxed{\dfrac12}", "1/2", EXACT, "ok"),
    ("\\boxed{−5}", "-5", EXACT, "ok"),
    (r"\boxed{x=5}", "5", EXACT, "ok"),
    (r"\boxed{007}", "7", EXACT, "ok"),
    (r"\boxed{5\text{ cm}}", "5", EXACT, "ok"),
    (r"\boxed{-1,234.50}", "-1234.5", EXACT, "ok"),
    (r"\boxed{3,2}", "2,3", EXACT, "ok"),
    (r"\boxed{\{2,1\}}", "1, 2", EXACT, "ok"),
    (r"\boxed{1,2}", "1, 2", EXACT, "ok"),
    (r"\boxed{(3,2)}", "(2,3)", EXACT, "wrong"),
    (r"\boxed{2,3}", "(2,3)", EXACT, "wrong"),
    (r"\boxed{[1,2]}", "(1,2)", EXACT, "wrong"),
    (r"\boxed{0.333333}", "1/3", EXACT, "wrong"),
    (r"\boxed{9", "9", EXACT, "no_answer"),
    ("the answer is 12", "12", EXACT, "no_answer"),
    (r"<think>\boxed{7}", "7", EXACT, "no_answer"),
    (r"<think>\boxed{6}</think>\boxed{7}", "7", EXACT, "ok"),
    (r"\boxed{6*7}", "42", EXACT, "needs_symbolic"),
    (r"\boxed{50\%}", "50", EXACT, "needs_symbolic"),
    (r"\boxed{1/0}", "0", EXACT, "needs_symbolic"),
    (r"\boxed{\sqrt{8}}", r"2\sqrt{2}", EXACT, "needs_symbolic"),
]


@pytest.mark.parametrize(("response", "gold", "spec", "status"), TABLE)
def test_table_of_expected_results(response: str, gold: str, spec: AnswerSpec, status: str) -> None:
    verdict = verify_answer(response, gold, spec)
    assert (verdict.status, verdict.score) == (status, float(status == "ok"))
    assert (verdict.verifier, verdict.version) == ("answer", VERSION)


def test_of_the_undecided_only_the_surd_is_right() -> None:
    rows = [(response, gold) for response, gold, _, status in TABLE if status == "needs_symbolic"]
    verdicts = verify_answers(rows, TRAINING)
    assert [v.status for v in verdicts] == ["needs_symbolic"] * 3 + ["ok"]
    assert verdicts[-1].verifier == "answer+math_verify"
    assert verdicts[-1].version.startswith(f"{VERSION}/math-verify ")


RIGHT = [
    (r"so \boxed{\boxed{5}}", "5"),
    (r"\boxed{x = \boxed{5}}", "5"),
    (r"Put it in \boxed{}. It is \boxed{5}", "5"),
    (r"\boxed{5} as \boxed{} asks", "5"),
    (r"\boxed {5}", "5"),
    (r"\boxed{\left( 1, 2 \right)}", "(1,2)"),
    (r"\boxed{[0,1)}", "[0, 1)"),
    (r"\boxed{(1,2),(3,4)}", "(3,4), (1,2)"),
    (r"\boxed{1\frac{1}{2}}", r"1\frac12"),
    ("\\boxed{½}", "0.5"),
    ("\\boxed{４２}", "42"),
    (r"\boxed{10{,}000}", "10000"),
    (r"\boxed{10,\!000}", "10000"),
    (r"\boxed{90^\circ}", "90"),
    ("\\boxed{90°}", "90"),
    (r"\boxed{12\text{ square feet}}", r"12\text{ ft}^2"),
    (r"\boxed{\textbf{(C)}}", "C"),
    (r"\boxed{Yes}", "yes"),
    (r"\boxed{50\%}", "50%"),
    (r"\boxed{50.0 percent}", "50%"),
    (r"\boxed{\text{Evelyn}}", "Evelyn"),
    (r"\boxed{2x + 1}", "2x+1"),
    ("#### 5 \\(\\)\nAnswer: 6", "5"),
    ("Answer: 3\nAnswer: **4**", "4"),
    ("**Answer**: $\\frac{3}{4}$", "0.75"),
    ("**Answer: 42 dollars**", "42"),
    ("Answer: **42** dollars", "42"),
    ("the final answer: 42\n\nthank you", "42"),
    ("<think>a</think> b <think>c</think> #### 1", "1"),
    ("reasoning in the template</think>#### 1", "1"),
]


@pytest.mark.parametrize(("response", "gold"), RIGHT)
def test_right(response: str, gold: str) -> None:
    assert verify_answer(response, gold, EXACT).status == "ok"


WRONG = [
    ("\\boxed{5²}", "52", "needs_symbolic"),
    ("\\boxed{1½}", "11/2", "wrong"),
    ("Answer: 6*7", "67", "needs_symbolic"),
    ("Answer: 6 * 7", "67", "needs_symbolic"),
    (r"\boxed{6 7}", "67", "needs_symbolic"),
    (r"\boxed{x=5,y=3}", "x=3,y=5", "wrong"),
    (r"\boxed{1,234}", "1, 234", "wrong"),
    (r"\boxed{5 cm}", "5 m", "wrong"),
    (r"\boxed{3}", "3m", "needs_symbolic"),
    (r"\boxed{1,1,2}", "1,2", "wrong"),
    (r"\boxed{50.1\%}", "50%", "wrong"),
    (r"\boxed{0.5}", "50%", "needs_symbolic"),
    (r"\boxed{cba}", "abc", "wrong"),
    (r"\boxed{seven}", "8", "wrong"),
    (r"\boxed{B}", "A", "wrong"),
    (r"\boxed{7}", "Evelyn", "wrong"),
    (r"\boxed{5}", "1,5", "wrong"),
    (r"\boxed{}", "5", "no_answer"),
    ("#### ", "5", "no_answer"),
    ("Answer: **", "5", "no_answer"),
    ("", "5", "no_answer"),
    ("</think>", "5", "no_answer"),
    (r"\boxed{5}</think>", "5", "no_answer"),
    (r"\boxed{7} <think> hm", "7", "no_answer"),
    (r"\boxed{5} \boxed{6}", "6", "ambiguous"),
    (r"\boxed{5}", "", "gold_unparseable"),
    (r"\boxed{5}", " $ ", "gold_unparseable"),
    (r"\boxed{1/0}", "1/0", "gold_unparseable"),
    (r"\boxed{5}" + " " * 2000, "5", "no_answer"),
]


@pytest.mark.parametrize(("response", "gold", "status"), WRONG)
def test_not_right(response: str, gold: str, status: str) -> None:
    verdict = verify_answer(response, gold, EXACT)
    assert (verdict.status, verdict.score) == (status, 0.0)


def test_canonical_forms_merge_what_is_equal() -> None:
    responses = [r"\boxed{0.50}", r"\boxed{\tfrac{2}{4}}", "#### 1/2", "Answer: +.5"]
    assert {verify_answer(r, "3", EXACT).canonical for r in responses} == {"1/2"}


def test_lenient_takes_the_last_number() -> None:
    lenient = AnswerSpec(multi_box="last", lenient=True, symbolic=False)
    assert verify_answer("3, then 4, and finally 1,005.", "1005", lenient).correct
    assert verify_answer("no number", "5", lenient).status == "no_answer"
    assert not TRAINING.lenient
    assert not EVALUATION.lenient


def test_tolerance_is_exact_and_closed() -> None:
    near = AnswerSpec(abs_tol=0.01, symbolic=False)
    assert verify_answer("#### 0.34", "0.33", near).correct
    assert not verify_answer("#### 0.3400001", "0.33", near).correct
    assert verify_answer("#### 0.333333", "1/3", AnswerSpec(abs_tol=1e-6, symbolic=False)).correct


def test_a_megabyte_is_read_in_linear_time() -> None:
    texts = ["\\boxed{" * 200_000, "#" * 10**6, "Answer:" * 150_000, "Answer *" * 150_000, "{" * 10**6, "=" * 10**6]
    texts += ["\\boxed{" + "(" * 1990 + "}", "\\boxed{" + "x=" * 990 + "}", "\\boxed{" + "\\text{" * 330 + "}" * 331]
    texts += ["####" + "*" * 10**6, "#### " + "1a" * 990 + "_", "</think>" * 125_000, "\\boxed{" + "9" * 1990 + "}"]
    for text in texts:
        begun = time.process_time()
        verdict = verify_answer(text, "5", EXACT)
        assert time.process_time() - begun < QUADRATIC, text[:20]
        assert not verdict.correct
