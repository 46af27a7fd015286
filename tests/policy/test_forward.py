"""The forward pass: chunks, padding and masks change nothing."""

from __future__ import annotations

import torch

from rlpipe.policy.forward import Policy
from tests.toy import random_batch, tiny_policy


def gradient(policy: Policy) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None])


def test_chunked_equals_whole_in_value_and_gradient() -> None:
    batch = random_batch()
    model, _ = tiny_policy()
    square = {"square": lambda readout: readout.logits.square().mean(-1)}
    found = []
    for chunk_bytes in (2**20, 4 * 12 * 5):
        policy = Policy(model, chunk_bytes=chunk_bytes)
        model.zero_grad()
        signals = policy(batch.tokens, batch.response_mask, square)
        (signals.logprob.sum() + signals.entropy.square().sum() + signals.extra["square"].sum()).backward()
        found.append((signals, gradient(policy)))
    (whole, g1), (chunked, g2) = found
    torch.testing.assert_close(whole.logprob, chunked.logprob)
    torch.testing.assert_close(whole.extra["square"], chunked.extra["square"])
    torch.testing.assert_close(g1, g2)


def test_signals_are_zero_outside_the_response_and_right_inside() -> None:
    batch = random_batch()
    model, _ = tiny_policy()
    signals = Policy(model)(batch.tokens, batch.response_mask)
    assert bool((signals.logprob[~batch.response_mask] == 0).all())
    logprobs = model(batch.tokens).logits.log_softmax(-1)
    expected = logprobs[:, :-1].gather(-1, batch.tokens[:, 1:, None]).squeeze(-1)
    mask = batch.response_mask[:, 1:]
    torch.testing.assert_close(signals.logprob[:, 1:][mask], expected[mask])


def test_a_signal_sees_the_tokens_their_places_and_what_they_were_read_from() -> None:
    batch = random_batch()
    model, _ = tiny_policy()
    policy = Policy(model, temperature=0.5, chunk_bytes=4 * 12 * 5)
    seen = {
        "token": lambda readout: readout.tokens.double(),
        "column": lambda readout: readout.columns.double(),
        "distance": lambda readout: (model.lm_head(readout.hidden) / 0.5 - readout.logits).abs().amax(-1),
    }
    extra = policy(batch.tokens, batch.response_mask, seen).extra
    columns = torch.arange(batch.tokens.shape[1]).expand_as(batch.tokens)
    assert torch.equal(extra["token"], (batch.tokens * batch.response_mask).double())
    assert torch.equal(extra["column"], (columns * batch.response_mask).double())
    assert extra["distance"].max() == 0


def test_temperature_scales_the_logits() -> None:
    batch = random_batch()
    model, _ = tiny_policy()
    cold = Policy(model, temperature=0.5)(batch.tokens, batch.response_mask)
    logits = model(batch.tokens).logits / 0.5
    expected = logits.log_softmax(-1)[:, :-1].gather(-1, batch.tokens[:, 1:, None]).squeeze(-1)
    mask = batch.response_mask[:, 1:]
    torch.testing.assert_close(cold.logprob[:, 1:][mask], expected[mask])
