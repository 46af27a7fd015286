"""Drawing a token: numbers that hang on seed and place alone, and rules that bend the distribution before it is drawn from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlpipe.engine.batched import complete_all
from rlpipe.engine.draw import draw, restrict, uniforms
from rlpipe.engine.hf import HFEngine
from rlpipe.engine.protocol import refuse_unknown_rule
from rlpipe.engine.vllm import VLLMEngine
from rlpipe.types import LogitRule, Request, Sampling
from tests.engine.rules import Ban
from tests.ops.test_splitmix import GOLDEN, splitmix64
from tests.toy import tiny_policy

LOGITS = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
BANNED, EARLY = Ban(6), Ban(6, until=3)


def test_uniforms_are_splitmix64_of_seed_and_place():
    seeds = [0, 1, 12345, 2**63 - 1]
    expected = [[(splitmix64(s + (i + 1) * GOLDEN) >> 40) / 2**24 for i in range(5)] for s in seeds]
    assert uniforms(seeds, 5).tolist() == expected


def test_a_rule_comes_after_the_temperature_and_before_top_k():
    class Add(Ban):
        def __call__(self, logits, position):
            return logits + position[:, None] * (torch.arange(4) == self.token)

    assert isinstance(Add(3), LogitRule)
    sampling = Sampling(1, temperature=0.5, top_k=2, logit_rule=Add(3))
    # Halved temperature doubles the logits: 0, 2, 4, -2; at place 5 the last becomes 3, the second largest.
    assert restrict(LOGITS, sampling, 5).tolist() == [[-torch.inf, -torch.inf, 4, 3]]
    assert restrict(LOGITS, sampling, 0).tolist() == [[-torch.inf, 2, 4, -torch.inf]]
    cold = replace(sampling, temperature=0.0, top_k=0)
    assert restrict(LOGITS, cold, 5).tolist() == [[0, 1, 2, 4]]
    assert draw(LOGITS, cold, torch.zeros(1), 5)[0].tolist() == [3]


def test_numbers_are_of_the_bent_distribution():
    uniform = uniforms(range(200), 1)[:, 0]
    tokens, logprob, entropy = draw(LOGITS.expand(200, -1), Sampling(1, logit_rule=Ban(2)), uniform)
    left = torch.tensor([0.0, 1.0, -torch.inf, -1.0]).log_softmax(-1)
    assert set(tokens.tolist()) == {0, 1, 3}
    torch.testing.assert_close(logprob, left[tokens])
    kept = left[[0, 1, 3]]
    torch.testing.assert_close(entropy, -(kept.exp() * kept).sum().expand(200))


@pytest.mark.parametrize("rule", [BANNED, EARLY])
def test_an_engine_applies_the_rule_at_each_place(rule):
    model, tokenizer = tiny_policy()
    prompts, seeds = [[1, 5, 6], [1, 7]] * 50, range(100)
    rollouts = complete_all(HFEngine(model, tokenizer), prompts, Sampling(8, logit_rule=rule), seeds)
    places = set()
    for rollout in rollouts:
        mask = rollout.response_mask
        position = torch.arange(rollout.response_length)
        logits = model(rollout.tokens[None]).logits[0, :-1][mask[1:]]
        logprobs = rule(logits, position).log_softmax(-1)
        ids = rollout.tokens[mask]
        torch.testing.assert_close(rollout.logprob[mask], logprobs[position, ids], atol=1e-5, rtol=0)
        places |= set(position[ids == rule.token].tolist())
        assert not rollout.plain(1.0)
    assert places == (set() if rule is BANNED else {3, 4, 5, 6, 7})


def test_an_engine_without_the_rule_refuses_it_by_name():
    message = "the engine mine cannot apply the logit rule 'ban'; it has min_p, top_a: set `engine` to hf"
    with pytest.raises(ValueError, match=message):
        refuse_unknown_rule(Sampling(1, logit_rule=BANNED), frozenset({"top_a", "min_p"}), "mine")
    for known in ({"ban"}, {"*"}):
        refuse_unknown_rule(Sampling(1, logit_rule=BANNED), frozenset(known), "mine")
    refuse_unknown_rule(Sampling(1), frozenset(), "mine")
    vllm = object.__new__(VLLMEngine)  # without vLLM, which is not asked
    with pytest.raises(ValueError, match="the engine vllm cannot apply the logit rule 'ban'; it has none"):
        vllm.answer([Request((1,), Sampling(1, logit_rule=BANNED), 0)])
