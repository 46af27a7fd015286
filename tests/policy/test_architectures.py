"""The trainer is the model, and so is the sampler: sixty architectures, equal or refused by name."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rlpipe import models
from rlpipe.engine.batched import complete_all
from rlpipe.engine.decoders import WholeDecoder, decoder_of
from rlpipe.engine.hf import HFEngine
from rlpipe.engine.load import load_engine
from rlpipe.models import ModelError
from rlpipe.policy import agreement
from rlpipe.policy.agreement import check_agreement, model_logprobs
from rlpipe.policy.forward import Policy
from rlpipe.types import Sampling
from tests.policy.architectures import ARCHITECTURES, VOCABULARY, build

WITHOUT_A_CACHE = {"mamba", "recurrent_gemma", "rwkv"}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return models.word_tokenizer((f"w{i}" for i in range(VOCABULARY - 5)), 64)


def rows() -> tuple[Tensor, Tensor]:
    """Three sequences of different lengths, padded on the right, and their response tokens."""
    tokens = torch.randint(3, VOCABULARY, (3, 24), generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(3, 24, dtype=torch.bool)
    mask[:, 8:], mask[0, 20:], mask[1, 15:] = True, False, False
    return tokens, mask


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_trainer_and_sampler_are_the_model(name: str, tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    model = build(name)
    policy, (tokens, mask) = Policy(model, temperature=0.7, chunk_bytes=4 * VOCABULARY * 5), rows()
    with torch.no_grad():
        expected = model_logprobs(policy, tokens, mask)
        torch.testing.assert_close(policy(tokens, mask).logprob, expected, atol=1e-4, rtol=1e-4)
    assert float(expected[mask].std()) > 0.1, "distributions too flat to show a difference"

    prompts = [tokens[0, :9].tolist(), tokens[1, :4].tolist(), tokens[0, :9].tolist()]
    with caplog.at_level(logging.WARNING, "rlpipe"):
        written = complete_all(HFEngine(model, tokenizer), prompts, Sampling(14, 0.7), [1, 2, 3])
    for rollout in written:
        told = model_logprobs(policy, rollout.tokens[None], rollout.response_mask[None])[0]
        torch.testing.assert_close(rollout.logprob, told, atol=1e-4, rtol=1e-4)
    assert isinstance(decoder_of(model), WholeDecoder) == (name in WITHOUT_A_CACHE)
    assert ("its cache does not serve a batch" in caplog.text) == (name in WITHOUT_A_CACHE)


@pytest.mark.parametrize("name", ["cohere", "gemma2", "opt", "qwen3_next", "granitemoehybrid"])
def test_the_gradient_is_the_models(name: str) -> None:
    model, (tokens, mask) = build(name), rows()
    found = []
    for way in (Policy(model, chunk_bytes=4 * VOCABULARY * 5), None):
        model.zero_grad()
        policy = way or Policy(model)
        logprob = way(tokens, mask).logprob if way else model_logprobs(policy, tokens, mask)
        logprob.sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert float(found[1].norm()) > 0
    torch.testing.assert_close(found[0], found[1], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "dropout"),
    [
        ("gpt2", {"attn_pdrop": 0.5, "resid_pdrop": 0.5, "embd_pdrop": 0.5}),
        ("llama", {"attention_dropout": 0.5}),
        ("granite", {"attention_dropout": 0.5}),
    ],
)
def test_dropout_is_never_on(name: str, dropout: dict[str, float], tokenizer: Any) -> None:
    model = build(name, **dropout).train()
    policy, (tokens, mask) = Policy(model), rows()
    policy.train()
    engine = load_engine("hf", model, tokenizer)
    complete_all(engine, [[5, 6, 7]], Sampling(4), [0])
    first, second = (policy(tokens, mask).logprob for _ in range(2))
    assert torch.equal(first, second)
    torch.testing.assert_close(first, model_logprobs(policy, tokens, mask), atol=1e-4, rtol=1e-4)


def test_a_head_that_forgets_the_scale_is_refused(tokenizer: Any) -> None:
    model = build("granite")
    engine = HFEngine(model, tokenizer)
    check_agreement(Policy(model), engine)
    wrong = Policy(model)
    wrong.head = model.get_output_embeddings().forward
    with pytest.raises(ModelError, match=r"GraniteForCausalLM: the trainer's .* nats from those of the model itself"):
        check_agreement(wrong, engine)


def test_a_sampler_that_sees_other_positions_is_refused(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("mistral")
    engine = HFEngine(model, tokenizer)
    before = model.model.forward

    def shifted(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("use_cache"):
            kwargs["position_ids"] = kwargs["position_ids"] * 2
        return before(*args, **kwargs)

    decoder_of(model)  # chosen while it was right
    monkeypatch.setattr(model.model, "forward", shifted)
    with pytest.raises(ModelError, match="MistralForCausalLM: the sampler's"):
        check_agreement(Policy(model), engine)


def test_a_model_that_sees_the_future_is_refused(tokenizer: Any) -> None:
    model = build("bert", is_decoder=False, num_key_value_heads=None, head_dim=None)
    with pytest.raises(ModelError, match=r"BertLMHeadModel: the .* log-probabilities are up to"):
        load_engine("hf", model, tokenizer)


def test_the_prefixes_fit_the_model_and_differ_in_length(tokenizer: Any) -> None:
    engine = HFEngine(build("llama"), tokenizer)
    short, long = agreement.two_prefixes(engine)
    assert 0 < len(short) < len(long) == 64 - agreement.LENGTH


def test_a_policy_has_no_training_mode() -> None:
    policy = Policy(build("gpt2", attn_pdrop=0.5))
    assert not any(module.training for module in nn.Module.train(policy, False).modules())
    assert not any(module.training for module in policy.train().modules())
