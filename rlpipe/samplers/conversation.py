"""Rollouts of several turns: the policy writes, its environment answers, until either has had enough."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from rlpipe.engine.protocol import Engine
from rlpipe.types import Plan, Prompt, Request, Rollout, Sampling, draw_seed


def converse(prompt: Prompt, engine: Engine, plan: Plan, samples: Sequence[int]) -> list[Coroutine[Any, Any, Rollout]]:
    """A rollout of the prompt for each sample; with `plan.environment` conversations, in which its replies stand as tokens
    not written.

    `plan.sampling.max_new_tokens` counts all that the policy writes in one.
    """
    start, seeds = engine.encode(prompt.messages), [plan.draw(prompt.id, i) for i in samples]
    if plan.environment is None:
        prefix = tuple(start)
        return [engine.complete(Request(prefix, plan.sampling, seed)) for seed in seeds]
    return [go_on(Trajectory(list(start)), prompt, engine, plan, seed) for seed in seeds]


async def go_on(so_far: Trajectory, prompt: Prompt, engine: Engine, plan: Plan, seed: int) -> Rollout:
    """The rollout that a trajectory becomes when the policy goes on writing; `seed` is of its first request.

    A branch is taken up where it stands: the environment first sees what was written before it, and then the whole of the
    stretch that it leaves open.
    """
    environment, budget = plan.environment, plan.sampling.max_new_tokens
    if environment is None:
        room = min(budget, (engine.longest or 2**31) - len(so_far.tokens)) if so_far.opening else budget
        sampling = plan.sampling if room == budget else replace(plan.sampling, max_new_tokens=room)
        piece = await engine.complete(Request(tuple(so_far.tokens), sampling, seed))
        if not so_far.same_turn:
            return piece
        so_far.write(piece)
        return so_far.rollout(plan.sampling, engine)
    state = environment.start(prompt)
    for text in so_far.before:
        state, _ = environment.reply(state, text)
    for turn in range(len(so_far.before), plan.max_turns):
        room = min(budget - so_far.written, (engine.longest or 2**31) - len(so_far.tokens))
        sampling = replace(plan.sampling, max_new_tokens=room, stop=(*plan.sampling.stop, *environment.stop))
        request = Request(tuple(so_far.tokens), sampling, draw_seed(seed, turn) if so_far.last else seed)
        piece = await engine.complete(request)
        so_far.write(piece)
        state, messages = environment.reply(state, so_far.opening + piece.text)
        so_far.opening = ""
        if piece.finish != "stop" or messages is None:
            break
        inline = all(m["role"] == "inline" for m in messages)
        if inline and piece.stop is None:  # the turn is over: there is nothing left to stand in
            break
        reply = engine.encode_reply(messages, ended=piece.stop is None)
        spent = so_far.written >= budget or len(so_far.tokens) + len(reply) >= (engine.longest or 2**31)
        if spent or turn == plan.max_turns - 1:  # cut short: nobody is left to read the reply
            so_far.last = replace(piece, finish="length")
            break
        so_far.read(reply, inline)
    return so_far.rollout(plan.sampling, engine)


def cut_at(rollout: Rollout, position: int, engine: Engine, whole: bool = True) -> Trajectory:
    """The trajectory that a branch of `rollout` begins with: its tokens before `position`, none of them its own.

    `whole`: the text of the turn that is left open counts as part of the branch's first turn.
    """
    stretches: list[list[int]] = []
    for i in rollout.response_mask[:position].nonzero().squeeze(-1).tolist():
        if not stretches or stretches[-1][-1] != i - 1:
            stretches.append([])
        stretches[-1].append(i)
    texts = [engine.decode(rollout.tokens[part].tolist()) for part in stretches]
    is_open = bool(stretches) and stretches[-1][-1] == position - 1
    before, opening = (texts[:-1], texts[-1]) if is_open else (texts, "")
    start = Trajectory(rollout.tokens[:position].tolist(), tuple(before), opening)
    one_turn = len(rollout.turns) == 1  # what was read in it stood inside the turn
    if whole and stretches and (is_open or one_turn):
        start.opened = rollout.opened
        start.spans, start.same_turn = [(stretches[0 if one_turn else -1][0], position)], True
    return start


@dataclass
class Trajectory:
    """A rollout in the making: what was read and what was written, in order.

    A branch reads all that stands before it; `before` are the stretches written among that, and `opening` the text of one
    left open. `spans` are the places of the policy's turns, with what stands inside them.
    """

    tokens: list[int]
    before: tuple[str, ...] = ()
    opening: str = ""
    mask: list[bool] = field(default_factory=list)
    logprob: list[float] = field(default_factory=list)
    entropy: list[float] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    last: Rollout | None = None
    same_turn: bool = False
    opened: str = ""

    def __post_init__(self) -> None:
        self.mask = [False] * len(self.tokens)
        self.logprob, self.entropy = [0.0] * len(self.tokens), [0.0] * len(self.tokens)

    @property
    def written(self) -> int:
        """Tokens of the policy so far."""
        return sum(self.mask)

    def write(self, piece: Rollout) -> None:
        """Take over what an engine wrote after the tokens so far."""
        self.opened = self.opened if self.same_turn else piece.opened
        start = self.spans.pop()[0] if self.same_turn else len(self.tokens)
        ids = piece.tokens[piece.response_mask].tolist()
        self.tokens.extend(ids)
        self.mask.extend([True] * len(ids))
        self.logprob.extend(piece.logprob[piece.response_mask].tolist())
        self.entropy.extend(piece.entropy[piece.response_mask].tolist())
        ended = piece.finish == "stop" and piece.stop is None
        self.spans.append((start, len(self.tokens) - ended))
        self.last = piece

    def read(self, ids: Sequence[int], inline: bool = False) -> None:
        """Take over what somebody else wrote; `inline`: inside the policy's turn, which goes on."""
        self.tokens.extend(ids)
        self.mask.extend([False] * len(ids))
        self.logprob.extend([0.0] * len(ids))
        self.entropy.extend([0.0] * len(ids))
        self.same_turn = inline

    def rollout(self, sampling: Sampling, engine: Engine) -> Rollout:
        """The rollout; `sampling` is what all of it was drawn with, but for lengths and stop texts."""
        assert self.last is not None
        alone = len(self.spans) == 1 and self.spans[0][0] == len(self.last.tokens) - self.last.response_length
        texts = self.last.turns if alone else tuple(engine.decode(self.tokens[a:b]) for a, b in self.spans)
        return Rollout(
            tokens=torch.tensor(self.tokens),
            response_mask=torch.tensor(self.mask),
            logprob=torch.tensor(self.logprob),
            entropy=torch.tensor(self.entropy),
            turns=texts,
            finish=self.last.finish,
            stop=self.last.stop,
            agent=self.last.agent,
            policy_step=self.last.policy_step,
            sampling=sampling,
            opened=self.opened,
        )
