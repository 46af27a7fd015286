"""bfloat16 is arithmetic only: weights that are trained are float32, so small updates do not vanish."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rlpipe import models
from rlpipe.engine.load import load_engine
from rlpipe.policy.forward import Policy
from rlpipe.policy.precision import arithmetic, computing, refuse_low_precision, with_master_weights
from tests.toy import random_batch, tiny_policy


def moved(model: torch.nn.Module) -> float:
    """Share of the weights that one small update changes."""
    batch, policy = random_batch(), Policy(model)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0)
    policy(batch.tokens, batch.response_mask).logprob.sum().backward()
    optimizer.step()
    changed = sum(int((a != b).sum()) for a, b in zip(before, model.parameters(), strict=True))
    with_gradient = sum(int((p.grad != 0).sum()) for p in model.parameters() if p.grad is not None)
    return changed / with_gradient


def test_small_updates_survive() -> None:
    assert moved(tiny_policy()[0].bfloat16()) < 0.1, "the fault this is about"
    assert moved(with_master_weights(tiny_policy()[0], "bfloat16")) > 0.99


def test_the_arithmetic_is_bfloat16s_and_is_said_in_the_config(tmp_path: Path) -> None:
    model, tokenizer = tiny_policy()
    batch = random_batch()
    exact = Policy(model)(batch.tokens, batch.response_mask).logprob
    with_master_weights(model, "bfloat16")
    models.save_policy(model, tokenizer, tmp_path / "policy")
    loaded, _ = models.load_policy(tmp_path / "policy")
    assert (next(loaded.parameters()).dtype, arithmetic(loaded)) == (torch.float32, torch.bfloat16)
    rough = Policy(loaded)(batch.tokens, batch.response_mask).logprob
    assert 0 < float((rough - exact).detach().abs().max()) < 0.1
    with computing(loaded):
        assert loaded(batch.tokens).logits.dtype == torch.bfloat16
    assert not load_engine("hf", loaded, tokenizer).exact


def test_float32_is_left_alone() -> None:
    model = with_master_weights(tiny_policy()[0], "float32")
    assert not hasattr(model.config, "rlpipe_arithmetic")
    refuse_low_precision(model)


def test_training_weights_of_low_precision_is_refused() -> None:
    model = tiny_policy()[0].bfloat16()
    with pytest.raises(ValueError, match=r"embed_tokens.weight is bfloat16, .* stage sft"):
        refuse_low_precision(model)
    refuse_low_precision(model.requires_grad_(False))
