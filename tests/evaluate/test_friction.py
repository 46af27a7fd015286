from __future__ import annotations

from functools import partial

import pytest

from rlpipe.evaluate.friction.loop import friction, mask_gold
from rlpipe.types import Prompt, Verdict
from tests.toy import Answering, written

near = partial(pytest.approx, abs=1e-6)


class Learner(Answering):
    """Says 1, 2, 3, ... as the feedback it has had grows; `stuck` says 1 for as long as it is cold."""

    def __init__(self, stuck=False):
        super().__init__()
        self.stuck, self.seen, self.temperatures = stuck, [], []

    def encode(self, messages):
        self.seen.append(list(messages))
        return [len(messages)]

    def answer(self, requests):
        self.temperatures.append(requests[0].sampling.temperature)
        return [self._say(r) for r in requests]

    def _say(self, request):
        number = 1 + request.seed % 3 if self.stuck else (request.prefix[0] + 1) // 2
        return written(request, [number], str(number))


def prompt(answer):
    return Prompt(f"p{answer}", ({"role": "user", "content": "which?"},), str(answer), "test")


def verify(p, text):
    return Verdict(float(text == p.answer), "ok", text, text)


PROMPTS = [prompt(1), prompt(3), prompt(99), prompt(2)]


def test_accuracy_is_monotone_and_solved_prompts_leave():
    engine = Learner()
    result = friction(engine, PROMPTS, verify, rounds=4)
    assert result.accuracy == near((0.25, 0.5, 0.75, 0.75, 0.75))
    assert [d.solved_in for d in result.dialogues] == [0, 2, None, 1]
    assert [len(d.responses) for d in result.dialogues] == [1, 3, 5, 2]
    assert result.generated_tokens == 11
    assert set(engine.temperatures) == {0.0}


def test_ten_rounds_by_default_and_the_ceiling():
    result = friction(Learner(), PROMPTS, verify)
    assert len(result.accuracy) == 11
    assert result.friction(1.0) == near(0.25)
    assert result.friction(2 / 3) == near(0.0)


def test_feedback_comes_only_when_wrong_and_never_leaks():
    asked = []

    def tell(p, response, verdict, t):
        asked.append((p.answer, response))
        return f"It should be \\boxed{{{p.answer}}}, that is {p.answer}."

    engine = Learner()
    result = friction(engine, PROMPTS, verify, tell, rounds=2)
    assert all(answer != response for answer, response in asked)
    assert len(asked) == 5
    told = [m["content"] for d in result.dialogues for m in d.messages[1:] if m["role"] == "user"]
    assert set(told) == {"It should be [masked], that is [masked]."}
    assert [m["role"] for m in engine.seen[-1]] == ["user", "assistant", "user", "assistant", "user"]


@pytest.mark.parametrize(
    ("text", "gold", "expected"),
    [
        (r"so \boxed{ 5 } and 5.", "5", "so [masked] and [masked]."),
        ("15 and 5.2 and 2.5 and x5", "5", "15 and 5.2 and 2.5 and x5"),
        ("option (B) or Bob", "B", "option ([masked]) or Bob"),
        (r"\boxed{\frac{1}{2}} = \frac{1}{2}", r"\frac{1}{2}", "[masked] = [masked]"),
        ("a -3 b", "-3", "a [masked] b"),
    ],
)
def test_masking(text, gold, expected):
    assert mask_gold(text, gold) == expected


def test_heat_and_earlier_answers():
    engine = Learner()
    result = friction(engine, [prompt(99)], verify, rounds=12, heat=True, list_earlier=True)
    assert engine.temperatures == near([min(0.15 * t, 1.5) for t in range(13)])
    assert result.dialogues[0].messages[4]["content"].endswith("Earlier answers, all incorrect: 1, 2.")


def test_tried_answers_are_rejected():
    result = friction(Learner(stuck=True), [prompt(99)], verify, rounds=2, heat=True, tries=25)
    assert sorted(result.dialogues[0].answers) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "call",
    [
        lambda: mask_gold("x", " "),
        lambda: friction(Learner(), [], verify),
        lambda: friction(Learner(), PROMPTS, verify, tries=5),
        lambda: friction(Learner(), PROMPTS, verify, rounds=0).friction(1.5),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"mask_gold|friction"):
        call()
