"""The contract of samplers, environments, engines and curricula, as functions; `test_contract_rollouts` tries all of them.

An engine is watched while a sampler works: whatever the policy is said to have written must have come from an engine, token
by token, after exactly the tokens that stand before it, and whatever else stands there must be what somebody else said.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from rlpipe.engine.batched import Relayed, together
from rlpipe.engine.hf import HFEngine
from rlpipe.environments.catalogue import environments
from rlpipe.environments.load import load_environment
from rlpipe.policy.forward import Policy
from rlpipe.policy.scoring import score_rollouts
from rlpipe.recipe import load
from rlpipe.types import Group, Plan, Prompt, Request, Rollout, Sampling
from tests.contract import NAMES, stack
from tests.toy import tiny_policy

WORDS = ["eval", "mod5", "answer", "=", "+", "-", "*", ";", "?", "higher", "lower", *map(str, range(12))]
PROMPTS = [Prompt(f"p{i}", ({"role": "user", "content": f"eval mod5 {i} + 4"},), f"{i}", "toy") for i in range(3)]


class Watched(Relayed):
    """Passes everything on and keeps what was asked and answered."""

    def __init__(self, engine: Any):
        super().__init__(engine)
        self.answers: list[tuple[Request, Rollout]] = []

    def answer(self, requests: Sequence[Request]) -> list[Rollout]:
        found = self.engine.answer(requests)
        self.answers += zip(requests, found, strict=True)
        return found


def engine_of(seed: int = 1) -> Watched:
    engine = Watched(HFEngine(*tiny_policy(WORDS, seed=seed)))
    engine.load_policy(engine.engine.model, 5)
    return engine


def plan_of(environment: str | None, size: int = 16) -> Plan:
    loaded = None if environment is None else load_environment(environment)
    return Plan(size, Sampling(14), 3, step=5, environment=loaded, max_turns=3)


def samplers() -> dict[str, Any]:
    """The default, and every other that a method found brings."""
    found = {"independent": load(["grpo"]).sampler}
    for name in NAMES:
        recipe = load(stack(name, shortest=1) if name == "cure" else stack(name))
        if recipe.filled_by["sampler"] == name:
            found[name] = recipe.sampler
    return found


SAMPLERS = samplers()
PLACES: list[str | None] = [None, *environments()]


def sample(sampler: Any, engine: Watched, plan: Plan, prompts: Sequence[Prompt] = PROMPTS) -> list[Group]:
    return together([sampler(prompts, {"policy": engine}, plan)])[0]


def check_groups(sampler: Any, place: str | None) -> None:
    """A group for every prompt, in order, of as many rollouts as asked for, not yet judged."""
    groups = sample(sampler, engine_of(), plan_of(place))
    assert [g.prompt for g in groups] == PROMPTS
    assert all(len(g.rollouts) == 16 and not g.verdicts and g.reward is None for g in groups)


def check_written(sampler: Any, place: str | None) -> None:
    """True in the mask stands on what an engine wrote after just those tokens, with its own numbers; all of it, and no more."""
    engine = engine_of()
    for group in sample(sampler, engine, plan_of(place)):
        start = engine.encode(group.prompt.messages)
        for rollout in group.rollouts:
            tokens = rollout.tokens.tolist()
            assert tokens[: len(start)] == start
            mask, logprob, entropy = (torch.zeros(len(tokens), dtype=d) for d in (torch.bool, torch.float, torch.float))
            for request, piece in engine.answers:
                own = slice(len(request.prefix), len(piece.tokens))
                inside = own.start >= (rollout.branched_at or 0) and tokens[: own.stop] == piece.tokens.tolist()
                if inside and rollout.response_mask[own].all():
                    mask[own], logprob[own], entropy[own] = True, piece.logprob[own], piece.entropy[own]
            assert torch.equal(rollout.response_mask, mask)
            # Two branches may have written the same, in batches of other sizes.
            torch.testing.assert_close(rollout.logprob, logprob, atol=1e-5, rtol=0)
            torch.testing.assert_close(rollout.entropy, entropy, atol=1e-5, rtol=0)


def check_read(sampler: Any, place: str | None) -> None:
    """Every reply of the environment stands in the rollout, whole and where it was given; nothing else does."""
    engine, plan = engine_of(), plan_of(place)
    environment = plan.environment
    for group in sample(sampler, engine, plan):
        for rollout in group.rollouts:
            if rollout.parent is not None:
                continue  # what a branch reads is its parent's
            tokens, expected = rollout.tokens.tolist(), list(engine.encode(group.prompt.messages))
            state = environment.start(group.prompt) if environment else None
            for number, (first, end) in enumerate(stretches(rollout)):
                assert tokens[:first] == expected, f"stretch {number} does not follow what was said before it"
                expected = tokens[:end]
                end_token = engine.engine.tokenizer.eos_token_id
                ended = tokens[end - 1] == end_token
                assert end_token not in tokens[first : end - 1], "nobody answered the end of a turn"
                stop = environment.stop if environment else ()
                assert not any(s in engine.decode(tokens[first : end - 1]) for s in stop), "nobody answered a call"
                if environment is not None:
                    text = engine.decode(tokens[first : end - ended])
                    state, messages = environment.reply(state, text)
                    expected += [] if messages is None else engine.encode_reply(messages, ended)
            assert len(tokens) == end, "a rollout ends with the policy"


def stretches(rollout: Rollout) -> list[tuple[int, int]]:
    """First token and end of everything the policy wrote without a break."""
    padded = torch.nn.functional.pad(rollout.response_mask.int(), (1, 1))
    change = padded.diff().nonzero().squeeze(-1).tolist()
    return list(zip(change[::2], change[1::2], strict=True))


def check_bounds(sampler: Any, place: str | None) -> None:
    """Neither more tokens nor more turns than planned; how it was drawn and by which weights is said."""
    plan = plan_of(place)
    for rollout in (r for g in sample(sampler, engine_of(), plan) for r in g.rollouts):
        assert 0 < rollout.response_length <= plan.sampling.max_new_tokens
        assert len(stretches(rollout)) <= (plan.max_turns if place else 1)
        assert rollout.policy_step == 5
        assert rollout.plain(1.0)
        assert not rollout.plain(0.7)
        assert rollout.turns
        assert rollout.agent == "policy"


def check_draws(sampler: Any, place: str | None) -> None:
    """Rollouts depend neither on the other prompts nor on their order; they do on seed, step and round."""
    plan = plan_of(place)

    def texts(prompts: Sequence[Prompt], how: Plan) -> dict[str, list[Any]]:
        groups = sample(sampler, engine_of(), how, prompts)
        return {g.prompt.id: [r.tokens.tolist() for r in g.rollouts] for g in groups}

    whole = texts(PROMPTS, plan)
    assert texts(PROMPTS[::-1], plan) == whole
    assert texts(PROMPTS[1:2], plan)["p1"] == whole["p1"]
    for change in ({"seed": 4}, {"step": 6}, {"round": 1}):
        assert texts(PROMPTS, replace(plan, **change)) != whole
    twice = sample(sampler, engine_of(), plan, [PROMPTS[0], PROMPTS[0]])
    assert [r.tokens.tolist() for r in twice[0].rollouts] == whole["p0"]
    assert [r.tokens.tolist() for r in twice[1].rollouts] != whole["p0"]


def check_parents(sampler: Any, place: str | None) -> None:
    """A branch names a rollout of its group, begins within what that wrote, and shares all that stands before."""
    for group in sample(sampler, engine_of(), plan_of(place)):
        for rollout in group.rollouts:
            assert (rollout.parent is None) == (rollout.branched_at is None)
            if rollout.parent is not None:
                parent, at = group.rollouts[rollout.parent], rollout.branched_at
                assert parent.parent is None or parent is not rollout
                assert parent.response_mask[at]
                assert torch.equal(parent.tokens[:at], rollout.tokens[:at])


SAMPLER_CHECKS = [check_groups, check_written, check_read, check_bounds, check_draws, check_parents]


def check_environment(name: str) -> None:
    """States are values: the same turn gives the same reply, and the state before it stays what it was."""
    environment = load_environment(name)
    assert all(isinstance(text, str) and text for text in environment.stop)
    state = environment.start(PROMPTS[1])
    for text in ("3 + 4 =", "", "7", "1", "no", "9" * 40, "answer 2", "\x00"):
        before = pickle.dumps(state)
        first, second = environment.reply(state, text), environment.reply(state, text)
        assert first == second
        assert pickle.dumps(state) == before
        for message in first[1] or ():
            assert set(message) == {"role", "content"}
            assert message["content"].strip()
        state = first[0]
    assert pickle.loads(pickle.dumps(environment)) == environment


def check_engine(engine: Any, model: Any) -> None:
    """Rollouts say which weights wrote them, and an exact engine's numbers are those of the trainer's forward pass."""
    moved = tiny_policy(WORDS, seed=9)[0]
    model.load_state_dict(moved.state_dict())
    engine.load_policy(model, 8)
    requests = [Request(tuple(engine.encode(p.messages)), Sampling(6), seed) for p in PROMPTS for seed in (1, 2)]
    rollouts = engine.answer(requests)
    assert [r.policy_step for r in rollouts] == [8] * 6
    assert [r.sampling for r in rollouts] == [Sampling(6)] * 6
    assert [tuple(r.tokens[: len(q.prefix)].tolist()) for q, r in zip(requests, rollouts, strict=True)] == [
        q.prefix for q in requests
    ]
    said, mask = score_rollouts(Policy(moved), rollouts)
    for row, rollout in enumerate(rollouts):
        own = rollout.response_mask
        torch.testing.assert_close(said.logprob[row][mask[row]], rollout.logprob[own], atol=1e-5, rtol=0)
        torch.testing.assert_close(said.entropy[row][mask[row]], rollout.entropy[own], atol=1e-5, rtol=0)
    alone = engine.answer([requests[3]])[0]
    assert torch.equal(alone.tokens, rollouts[3].tokens), "a rollout depends on its request alone"
