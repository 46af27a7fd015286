"""A prompt's source decides who checks its answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest

from rlpipe.types import Prompt, Verdict
from rlpipe.verifiers.answer import EVALUATION, TRAINING, verify_answers
from rlpipe.verifiers.cross_check import cross_check
from rlpipe.verifiers.verify import reference_status, verifier_module, verify, verify_many


def prompt(source: str, answer: str) -> Prompt:
    return Prompt("p", ({"role": "user", "content": "?"},), answer, source)


@pytest.fixture
def parrots(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A task family whose answers are right when they repeat the reference."""
    family = ModuleType("rlpipe.tasks.parrots")
    family.verify = lambda p, r: Verdict(float(r == p.answer), "ok" if r == p.answer else "wrong", r, r, "parrots", "1")  # type: ignore[attr-defined]
    family.__spec__ = sys.__spec__
    monkeypatch.setitem(sys.modules, "rlpipe.tasks.parrots", family)
    yield
    verifier_module.cache_clear()


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("reasoning_gym/gcd", "rlpipe.tasks.reasoning_gym"),
        ("openai/gsm8k", "rlpipe.verifiers.answer"),
        ("math_dapo", "rlpipe.verifiers.answer"),
        ("", "rlpipe.verifiers.answer"),
        ("code/square", "rlpipe.verifiers.code"),
        ("apps", "rlpipe.verifiers.code"),
    ],
)
def test_module(source: str, module: str) -> None:
    assert verifier_module(source) == module


@pytest.mark.parametrize("source", ["rlpipe/no_such_family", "rlpipe/", "rlpipe/../x", "rlpipe"])
def test_unknown_family(source: str) -> None:
    with pytest.raises(ValueError, match="names no task family"):
        verify(prompt(source, "1"), "1")


def test_many_keeps_the_order(parrots: None) -> None:
    square = json.dumps({"tests": [{"stdin": "2", "stdout": "4"}]})
    pairs = [
        (prompt("openai/gsm8k", "5"), "#### 5"),
        (prompt("rlpipe/parrots", "hello"), "hello"),
        (prompt("code/square", square), "```\nprint(int(input()) ** 2)\n```"),
        (prompt("openai/gsm8k", "5"), "#### 6"),
        (prompt("rlpipe/parrots", "hello"), "x"),
        (prompt("math", r"2\sqrt{2}"), r"\boxed{\sqrt{8}}"),
    ]
    verdicts = verify_many(pairs)
    assert [v.status for v in verdicts] == ["ok", "ok", "ok", "wrong", "wrong", "ok"]
    assert [v.verifier for v in verdicts] == ["answer", "parrots", "code", "answer", "parrots", "answer+math_verify"]
    assert verdicts == [verify(*pair) for pair in pairs]


@pytest.mark.parametrize(
    ("source", "answer", "status"),
    [
        ("math", "1/2", "ok"),
        ("math", "Evelyn", "ok"),
        ("math", r"2\sqrt{2}", "ok"),
        ("math", "(1, x]", "ok"),
        ("math", "", "gold_unparseable"),
        ("math", "3/0", "gold_unparseable"),
        ("math", r"\frac{1", "gold_unparseable"),
        ("math", "x+" * 200, "gold_unparseable"),
        ("apps", '{"inputs": ["1"], "outputs": ["1"]}', "ok"),
        ("apps", '{"inputs": [], "outputs": []}', "error"),
        ("apps", "42", "gold_unparseable"),
    ],
)
def test_references_are_checked_before_anything_is_trained(source: str, answer: str, status: str) -> None:
    assert reference_status(prompt(source, answer)) == status


def test_cross_check_reports_what_math_verify_sees_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    pairs = [("#### 5", "5"), (r"\boxed{[1,2]}", "(1,2)"), ("#### .333333", "1/3"), ("#### 6", "5"), ("none", "5")]
    verdicts = verify_answers(pairs, TRAINING)
    found = cross_check(pairs, verdicts, share=1.0)
    assert found == {0: "ok", 1: "wrong", 2: "wrong", 3: "wrong"}  # the last is no answer: there is no second opinion
    assert caplog.text == ""
    flipped = [Verdict(1.0, "ok", "6", "6", "answer", "1") if i == 3 else v for i, v in enumerate(verdicts)]
    assert cross_check(pairs, flipped, share=1.0) == found
    assert "'6' to '5'" in caplog.text
    assert caplog.text.count("for math-verify") == 1
    assert cross_check(pairs, flipped, share=0.0) == {}


def test_the_spec_reaches_the_answer_verifier() -> None:
    two_boxes = (prompt("math", "10"), r"\boxed{1} \boxed{10}")
    assert verify(*two_boxes).status == "ambiguous"
    assert verify(*two_boxes, EVALUATION).status == "ok"
    assert verify_many([two_boxes], EVALUATION)[0].status == "ok"


@pytest.mark.parametrize("extra", [{"ordered": True}, {"extra_info": {"ordered": True}}])
def test_a_prompt_can_declare_its_answer_ordered(extra: dict[str, object]) -> None:
    free, ordered = prompt("math", "1, 2"), replace(prompt("math", "1, 2"), extra=extra)
    for response, status in ((r"\boxed{1, 2}", "ok"), (r"\boxed{2, 1}", "wrong"), (r"\boxed{\{2, 1\}}", "wrong")):
        assert verify(ordered, response).status == status
        assert verify(free, response).status == "ok"
    pairs = [(free, "#### 2, 1"), (ordered, "#### 2, 1"), (ordered, "#### 1, 2")]
    assert [v.status for v in verify_many(pairs)] == ["ok", "wrong", "ok"]
    assert verify(replace(free, extra={"ordered": False, "extra_info": None}), "#### 2, 1").status == "ok"
