"""Completion probe: where a question is cut, what counts as exact, and a policy that knows its questions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe import models
from rlpipe.contamination.probes.completion import complete, cut
from rlpipe.contamination.probes.completion_rate import Completed, rate
from rlpipe.contamination.probes.probe import Subject
from rlpipe.engine.hf import HFEngine
from rlpipe.policy.forward import Policy
from rlpipe.types import Prompt, Request, Rollout
from tests.contamination.toy import SHAPE, WORDS, prompt


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("a b c d e", ("a b c", " d e")),
        ("a  b\nc d", ("a  b", "\nc d")),  # 2.4 words, white space kept
        ("a b", ("a", " b")),
        ("a", None),
        ("", None),
    ],
)
def test_cut(question: str, expected: tuple[str, str] | None) -> None:
    assert cut(question, 0.6) == expected


def test_shares_that_are_whole_are_not_lost_to_rounding() -> None:
    assert cut(" ".join("abcdefghij"), 0.7) == ("a b c d e f g", " h i j")


def test_rate_has_its_mid_p_interval() -> None:
    found = rate([Completed("p", "s", "a", "b", "b", i < 3) for i in range(10)])
    assert found is not None
    assert (found.exact, found.n, found.value) == (3, 10, 0.3)
    assert (found.lo, found.hi) == (pytest.approx(0.082600, abs=1e-6), pytest.approx(0.619919, abs=1e-6))
    assert rate([]) is None


@pytest.fixture(scope="module")
def memorised() -> tuple[Subject, list[Prompt], list[Prompt]]:
    """A policy trained on the questions of half of the prompts."""
    tokenizer = models.word_tokenizer(WORDS, SHAPE.max_length)
    model = models.from_scratch(SHAPE, tokenizer, seed=1)
    known, new = [prompt(i) for i in range(4)], [prompt(i) for i in range(100, 104)]
    ids = torch.tensor([models.encode(tokenizer, p.messages) for p in known])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
    model.eval()
    return Subject("m", HFEngine(model, tokenizer), Policy(model), tokenizer, SHAPE.max_length), known, new


def test_known_questions_are_completed_and_new_ones_are_not(
    memorised: tuple[Subject, list[Prompt], list[Prompt]],
) -> None:
    subject, known, new = memorised
    found = complete(subject, known, 0.5)
    assert [c.exact for c in found] == [True] * 4
    assert found[0].rest == " ".join(known[0].text.split()[3:])
    assert not any(c.exact for c in complete(subject, new, 0.5))


def test_one_word_questions_are_left_out(memorised: tuple[Subject, list[Prompt], list[Prompt]]) -> None:
    subject = memorised[0]
    assert complete(subject, [Prompt("x", ({"role": "user", "content": "make"},), "", "toy")], 0.6) == []


def test_a_beginning_of_the_rest_is_not_the_rest(
    memorised: tuple[Subject, list[Prompt], list[Prompt]], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, known, _ = memorised
    original = subject.engine.complete

    async def one_word_less(request: Request) -> Rollout:
        rollout = await original(request)
        return replace(rollout, turns=(" ".join(rollout.text.split()[:1]),))

    monkeypatch.setattr(subject.engine, "complete", one_word_less)
    assert not any(c.exact for c in complete(subject, known, 0.5))
