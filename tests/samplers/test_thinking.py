"""Thinking that the chat template opens is thinking: what is verified says so, though the policy has not written it."""

from __future__ import annotations

import pytest

from rlpipe import models
from rlpipe.engine.batched import complete_all
from rlpipe.engine.hf import HFEngine
from rlpipe.environments.guessing import guessing
from rlpipe.rewards.judge import verify_last_turn
from rlpipe.samplers.conversation import cut_at
from rlpipe.types import Group, Prompt, Sampling
from tests.samplers.test_conversation import WORDS, Scripted, plan, talk
from tests.toy import step, tiny_policy

TEMPLATE = (
    "{{ '<bos>' }}{% for m in messages %} {{ m['content'] }}{% if m['role'] == 'assistant' %} <eos>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} <respond>{{ opened }}{% endif %}"
)
OPENED, CLOSED, PLAIN = (TEMPLATE.replace("{{ opened }}", end) for end in (" <think>\n", " <think> </think>", ""))
ALL = [*WORDS, "<think>", "</think>", "Answer:"]
QUESTION = Prompt("p", ({"role": "user", "content": "eval 3 + 4"},), "7", "math")


def scripted(template: str, *texts: str) -> Scripted:
    engine = Scripted(*texts)
    engine.tokenizer = tiny_policy(ALL)[1]
    engine.tokenizer.chat_template = template
    return engine


@pytest.mark.parametrize(("template", "opened"), [(OPENED, "<think>"), (CLOSED, ""), (PLAIN, "")])
def test_what_a_prompt_leaves_open(template: str, opened: str) -> None:
    model, tokenizer = tiny_policy(ALL)
    tokenizer.chat_template = template
    engine = HFEngine(model, tokenizer)
    prefix = engine.encode(QUESTION.messages)
    assert models.opened(tokenizer, prefix) == opened
    rollout = complete_all(engine, [prefix], Sampling(4), [0])[0]
    assert rollout.opened == opened
    assert rollout.text == opened + rollout.turns[-1]
    written = rollout.tokens[rollout.response_mask].tolist()
    assert rollout.turns[-1] == tokenizer.decode([i for i in written if i != tokenizer.eos_token_id])


@pytest.mark.parametrize(
    ("template", "written", "status"),
    [
        (OPENED, "Answer: 7", "no_answer"),
        (OPENED, "Answer: 6 </think> Answer: 7", "ok"),
        (CLOSED, "Answer: 7", "ok"),
        (PLAIN, "Answer: 7", "ok"),
    ],
)
def test_it_is_verified_with_what_was_opened(template: str, written: str, status: str) -> None:
    rollout = talk(scripted(template, f"{written} <eos>"), plan())
    group = verify_last_turn([Group(QUESTION, (rollout,))], step())[0]
    assert group.verdicts[0].status == status


def test_each_turn_of_a_conversation_has_its_own() -> None:
    engine = scripted(OPENED, "7 <eos>", "</think> 3 <eos>")
    rollout = talk(engine, plan(guessing(), turns=2))
    assert rollout.turns == ("7", "</think> 3")
    assert rollout.text == "<think></think> 3"


def test_a_branch_within_a_turn_keeps_it() -> None:
    engine = scripted(OPENED, "7 3 4 <eos>")
    rollout = talk(engine, plan())
    start = cut_at(rollout, int(rollout.response_mask.nonzero()[1]), engine)
    assert start.opened == "<think>"
