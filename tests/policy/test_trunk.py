"""Our own trunk says what the library's says, in value and gradient, for any layout of rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from rlpipe.policy import llama
from rlpipe.policy.trunk import LibraryTrunk, SharedPromptTrunk, trunk_of
from tests.toy import tiny_policy

VOCABULARY = 12


def model_of(architecture: str) -> Any:
    if architecture != "qwen2":
        return tiny_policy(architecture=architecture)[0]
    torch.manual_seed(0)
    shape: dict[str, Any] = {"hidden_size": 16, "num_attention_heads": 4, "num_key_value_heads": 2}
    model = Qwen2ForCausalLM(
        Qwen2Config(vocab_size=VOCABULARY, num_hidden_layers=2, intermediate_size=24, initializer_range=0.4, **shape)
    )
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):  # the library starts them at 0, which would hide them
            nn.init.normal_(parameter)
    return model


def rows(prompts: list[int], per_prompt: int, lengths: list[int], width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """`per_prompt` rows of each prompt length, with responses of the given lengths, padded on the right."""
    rng = torch.Generator().manual_seed(seed)
    starts = [n for n in prompts for _ in range(per_prompt)]
    tokens = torch.randint(0, VOCABULARY, (len(starts), width), generator=rng)
    for i, n in enumerate(starts):
        tokens[i, :n] = tokens[i - i % per_prompt, :n]
    column = torch.arange(width)
    start, length = torch.tensor(starts)[:, None], torch.tensor(lengths)[:, None]
    return tokens, (column >= start) & (column < start + length)


def compare(model: Any, tokens: Tensor, mask: Tensor) -> None:
    found = []
    for trunk in (LibraryTrunk(model), SharedPromptTrunk(model)):
        model.zero_grad()
        hidden = trunk(tokens, mask)
        hidden.mul(torch.linspace(-1, 1, hidden.numel()).view_as(hidden)).sum().backward()
        found.append((hidden.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]))
    (expected, gradients), (got, own) = found
    torch.testing.assert_close(got, expected, atol=2e-5, rtol=1e-4)
    assert len(own) == len(gradients) > 5
    for a, b in zip(own, gradients, strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("fused_above", [0, 2**16])
@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
def test_equal_to_the_library(architecture: str, fused_above: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama, "FUSED_ABOVE", fused_above)
    compare(model_of(architecture), *rows([3, 5], 3, [4, 1, 6, 2, 5, 3], 12))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_layout(data: st.DataObject) -> None:
    prompts = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    per_prompt = data.draw(st.integers(1, 3))
    count = len(prompts) * per_prompt
    lengths = data.draw(st.lists(st.integers(1, 5), min_size=count, max_size=count))
    compare(tiny_policy()[0], *rows(prompts, per_prompt, lengths, 6 + data.draw(st.integers(5, 8))))


def test_tokens_of_a_tool_within_the_response_are_read_but_not_predicted() -> None:
    tokens, mask = rows([2], 2, [7, 6], 10)
    mask[:, 4:6] = False
    compare(tiny_policy()[0], tokens, mask)


def test_rows_without_a_response_give_nothing() -> None:
    tokens, mask = rows([2], 3, [4, 3, 5], 9)
    mask[1] = False
    compare(tiny_policy()[0], tokens, mask)


def test_other_models_are_left_to_the_library() -> None:
    model = tiny_policy()[0]
    assert isinstance(trunk_of(model), SharedPromptTrunk)
    model.config.model_type = "granite"
    assert isinstance(trunk_of(model), LibraryTrunk)
    model.config.model_type = "llama"
    assert isinstance(trunk_of(model.to("meta")), LibraryTrunk)
