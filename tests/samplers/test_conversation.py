"""Conversations: masks, replies, budgets, branches; what is read is never learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch

from rlpipe import models
from rlpipe.engine.batched import Batched, together
from rlpipe.engine.hf import HFEngine
from rlpipe.environments.calculator import calculator
from rlpipe.environments.guessing import guessing
from rlpipe.samplers.conversation import converse, cut_at, go_on
from rlpipe.samplers.independent import independent
from rlpipe.types import Plan, Prompt, Request, Rollout, Sampling
from tests.toy import tiny_policy

WORDS = ["eval", "mod5", "answer", "=", "+", "*", ";", "?", "higher", "lower", *map(str, range(16))]
PROMPT = Prompt("p", ({"role": "user", "content": "eval mod5 3 + 4 * 2"},), "4", "rlpipe/expression")


class Scripted(Batched):
    """Writes given texts in turn, whatever it is asked; a text with the end token ends a turn."""

    exact = full_entropy = True
    logit_rules = frozenset({"*"})

    def __init__(self, *texts: str, longest: int | None = None):
        super().__init__()
        self.texts, self.longest, self.tokenizer = list(texts), longest, tiny_policy(WORDS)[1]
        self.special_ids = frozenset(self.tokenizer.all_special_ids)
        self.asked: list[Request] = []

    def encode(self, messages):
        return models.encode(self.tokenizer, messages)

    def encode_reply(self, messages, ended):
        return models.encode_reply(self.tokenizer, messages, {self.tokenizer.eos_token_id} if ended else ())

    def decode(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(ids))

    def load_policy(self, policy, step=0):
        raise NotImplementedError

    def answer(self, requests: Sequence[Request]) -> list[Rollout]:
        return [self._write(r) for r in requests]

    def _write(self, request: Request) -> Rollout:
        self.asked.append(request)
        text = self.texts.pop(0)
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"][: request.sampling.max_new_tokens]
        ended = ids[-1] == self.tokenizer.eos_token_id
        stop = next((s for s in request.sampling.stop if self.decode(ids).endswith(s)), None)
        size = len(request.prefix)
        mask = torch.arange(size + len(ids)) >= size
        written = torch.cat([torch.zeros(size), -torch.arange(1.0, len(ids) + 1)])
        return Rollout(
            torch.tensor([*request.prefix, *ids]),
            mask,
            written,
            -written,
            (self.decode(ids[:-1] if ended else ids),),
            "stop" if ended or stop else "length",
            stop,
            policy_step=3,
            sampling=request.sampling,
            opened=models.opened(self.tokenizer, request.prefix),
        )


def plan(environment=None, turns=4, budget=30, **changed):
    return Plan(1, Sampling(budget), 0, environment=environment, max_turns=turns, **changed)


def talk(engine, how):
    return together([*converse(PROMPT, engine, how, [0])])[0]


def text_of(engine, rollout, written):
    return engine.decode(rollout.tokens[rollout.response_mask == written].tolist())


def test_results_stand_inside_the_turn_and_are_not_the_policys():
    engine = Scripted("3 + 4 =", "; 2 * 2 =", "answer 4 <eos>")
    rollout = talk(engine, plan(calculator()))
    assert rollout.turns == ("3 + 4 = 2 ; 2 * 2 = 4 answer 4",)
    assert text_of(engine, rollout, True) == "3 + 4 = ; 2 * 2 = answer 4 <eos>"
    assert text_of(engine, rollout, False) == "<bos> eval mod5 3 + 4 * 2 <respond> 2 4"
    assert rollout.finish == "stop"
    assert rollout.policy_step == 3
    assert rollout.plain(1.0)


def test_log_probabilities_stay_with_their_tokens():
    engine = Scripted("3 + 4 =", "answer 2 <eos>")
    rollout = talk(engine, plan(calculator()))
    expected = [-1, -2, -3, -4, -1, -2, -3]
    assert rollout.logprob[rollout.response_mask].tolist() == expected
    assert (rollout.logprob[~rollout.response_mask] == 0).all()
    assert (rollout.entropy == -rollout.logprob).all()


def test_every_request_is_the_whole_conversation_so_far():
    engine = Scripted("3 + 4 =", "answer 2 <eos>")
    talk(engine, plan(calculator()))
    first, second = (engine.decode(r.prefix) for r in engine.asked)
    assert second == f"{first} 3 + 4 = 2"
    assert engine.asked[0].seed == plan().draw("p", 0)
    assert engine.asked[0].seed != engine.asked[1].seed


def test_messages_make_turns_of_their_own():
    engine = Scripted("7 <eos>", "3 <eos>", "4 <eos>")
    rollout = talk(engine, plan(guessing()))
    assert rollout.turns == ("7", "3", "4")
    assert rollout.text == "4"
    assert engine.decode(rollout.tokens.tolist()).endswith(
        "<respond> 7 <eos> lower <respond> 3 <eos> higher <respond> 4 <eos>"
    )


@pytest.mark.parametrize(("turns", "budget", "count"), [(2, 30, 2), (4, 8, 2), (4, 4, 1)])
def test_turns_and_tokens_are_bounded(turns, budget, count):
    engine = Scripted(*["3 + 4 ="] * 6)
    rollout = talk(engine, plan(calculator(), turns, budget))
    assert len(engine.asked) == count
    assert rollout.response_length <= budget
    assert [r.sampling.max_new_tokens for r in engine.asked] == [budget - 4 * i for i in range(count)]


@pytest.mark.parametrize(("longest", "asked"), [(13, 1), (14, 1), (15, 2)])
def test_a_reply_is_read_only_if_there_is_room_to_go_on(longest, asked):
    """The prompt has nine tokens and a call four; the reply needs one, and what is written after it another."""
    engine = Scripted(*["3 + 4 ="] * 3, longest=longest)
    assert len(engine.encode(PROMPT.messages)) == 9
    rollout = talk(engine, plan(calculator()))
    assert len(engine.asked) == asked
    assert rollout.finish == "length"
    assert len(rollout.tokens) <= longest


def test_a_conversation_ends_where_the_model_does():
    engine = Scripted(*["3 + 4 ="] * 6, longest=20)
    rollout = talk(engine, plan(calculator(), 6))
    assert len(rollout.tokens) <= 20
    assert len(engine.asked) == 3


def test_one_turn_is_a_single_turn():
    """An environment that never answers changes nothing."""

    @dataclass(frozen=True)
    class Silent:
        stop: tuple[str, ...] = ()

        def start(self, prompt):
            return None

        def reply(self, state, text):
            return state, None

    model, tokenizer = tiny_policy(WORDS)
    engine = HFEngine(model, tokenizer)
    plain, silent = (
        together([independent([PROMPT], {"policy": engine}, Plan(4, Sampling(9), 1, environment=e, max_turns=5))])[0][0]
        for e in (None, Silent())
    )
    for a, b in zip(plain.rollouts, silent.rollouts, strict=True):
        assert torch.equal(a.tokens, b.tokens)
        assert torch.equal(a.logprob, b.logprob)
        assert (a.turns, a.finish) == (b.turns, b.finish)


def test_the_engine_of_a_model_talks_too():
    model, tokenizer = tiny_policy(WORDS, seed=1)
    how = Plan(64, Sampling(16), 1, environment=calculator(), max_turns=4)
    group = together([independent([PROMPT], {"policy": HFEngine(model, tokenizer)}, how)])[0][0]
    used = [r for r in group.rollouts if (r.response_mask[1:] & ~r.response_mask[:-1]).sum() > 1]
    assert used, "some of 64 random rollouts call the calculator"
    for rollout in used:
        places = (~rollout.response_mask).nonzero().squeeze(-1)
        inside = places[places > int(rollout.response_mask.int().argmax())]
        assert all(tokenizer.decode([int(rollout.tokens[i - 1])]) == "=" for i in inside)
        assert all(tokenizer.decode([int(rollout.tokens[i])]) in WORDS for i in inside)


def test_a_branch_takes_the_conversation_up_where_it_stands():
    engine = Scripted("3 + 4 =", "; 2 * 2 =", "answer 4 <eos>")
    rollout = talk(engine, plan(calculator()))
    cut = int((rollout.tokens == engine.tokenizer.convert_tokens_to_ids("*")).nonzero()[-1])
    start = cut_at(rollout, cut, engine)
    assert (start.before, start.opening) == (("3 + 4 =",), "; 2")
    engine.texts, engine.asked = ["+ 1 =", "answer 3 <eos>"], []
    branch = together([go_on(start, PROMPT, engine, plan(calculator()), 5)])[0]
    assert branch.turns == ("3 + 4 = 2 ; 2 + 1 = 3 answer 3",)
    assert text_of(engine, branch, True) == "+ 1 = answer 3 <eos>"
    assert engine.asked[0].seed == 5


def test_a_branch_of_a_game_keeps_its_turns():
    engine = Scripted("7 <eos>", "3 <eos>", "4 <eos>")
    rollout = talk(engine, plan(guessing()))
    third = int(rollout.response_mask.nonzero()[4])
    start = cut_at(rollout, third, engine)
    assert start.before == ("7 <eos>", "3 <eos>")
    engine.texts = ["5 <eos>", "4 <eos>"]
    branch = together([go_on(start, PROMPT, engine, plan(guessing()), 5)])[0]
    assert branch.turns == ("5", "4")


@dataclass
class Recording:
    """Notes what it is told."""

    stop: tuple[str, ...] = ("=",)
    told: list[str] = field(default_factory=list)

    def start(self, prompt):
        return 0

    def reply(self, state, text):
        self.told.append(text)
        return state + 1, [{"role": "inline", "content": f" {state}"}] if text.endswith("=") else None


def test_the_environment_sees_each_stretch_once_and_its_state_goes_on():
    engine, environment = Scripted("1 =", "2 =", "3 <eos>"), Recording()
    rollout = talk(engine, plan(environment))
    assert environment.told == ["1 =", "2 =", "3"]
    assert rollout.turns == ("1 = 0 2 = 1 3",)


CLOSING = (
    "{{ '<bos>' }}{% for m in messages %} {{ m['content'] }}{% if m['role'] == 'assistant' %} <eos> ;{% endif %}"
    "{% endfor %}{% if add_generation_prompt %} <respond>{% endif %}"
)


def test_the_end_of_a_turn_is_written_once() -> None:
    """By the policy, or where it was stopped, with the reply: templates close turns, and write on after that."""
    tokenizer = tiny_policy(WORDS)[1]
    tokenizer.chat_template = CLOSING
    told = [{"role": "user", "content": "higher"}]
    after = {
        ended: tokenizer.decode(models.encode_reply(tokenizer, told, [tokenizer.eos_token_id] * ended))
        for ended in (True, False)
    }
    assert after == {True: "; higher <respond>", False: "<eos> ; higher <respond>"}


def test_a_tokenizer_without_a_template_cannot_go_on() -> None:
    tokenizer = tiny_policy(WORDS)[1]
    tokenizer.chat_template = None
    with pytest.raises(models.ModelError, match="no chat template, so a conversation cannot go on"):
        models.encode_reply(tokenizer, [{"role": "user", "content": "higher"}], [tokenizer.eos_token_id])
    inline = models.encode_reply(tokenizer, [{"role": "inline", "content": " 2"}], [])
    assert tokenizer.decode(inline) == "2"
