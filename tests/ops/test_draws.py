from __future__ import annotations

import torch

from rlpipe.ops.draws import token_uniform
from tests.toy import random_batch


def test_a_token_keeps_its_draw_whatever_the_batch():
    batch = random_batch(seed=1)
    draw = token_uniform(5, batch.tokens, batch.response_mask)
    rows = torch.tensor([7, 2, 11])
    # Other rows, reversed order, and four more columns of another padding token.
    padded = torch.nn.functional.pad(batch.tokens[rows], (0, 4), value=9)
    mask = torch.nn.functional.pad(batch.response_mask[rows], (0, 4))
    again = token_uniform(5, padded, mask)
    assert (again[:, :-4][batch.response_mask[rows]] == draw[rows][batch.response_mask[rows]]).all()


def test_seeds_prompts_and_positions_draw_apart():
    batch = random_batch(seed=1, groups=20)
    draw = token_uniform(5, batch.tokens, batch.response_mask)[batch.response_mask]
    assert len(draw.unique()) > 0.98 * len(draw)  # Short rollouts of one prompt may coincide, and then draw alike.
    assert (token_uniform(6, batch.tokens, batch.response_mask)[batch.response_mask] != draw).all()
    other_prompt = batch.tokens.clone()
    other_prompt[:, 0] += 1
    assert (token_uniform(5, other_prompt, batch.response_mask)[batch.response_mask] != draw).all()


def test_draws_are_uniform():
    tokens = torch.arange(200 * 100).reshape(200, 100)
    draw = token_uniform(2**62 + 3, tokens, torch.ones_like(tokens, dtype=torch.bool)).flatten()
    assert ((draw >= 0) & (draw < 1)).all()
    # 20,000 draws: each of ten bins holds 2,000 +- 42 (one standard deviation); five of them are allowed.
    counts = torch.histc(draw, bins=10, min=0, max=1)
    assert ((counts - 2000).abs() < 5 * 42.5).all()
    assert abs(float(torch.corrcoef(torch.stack([draw[:-1], draw[1:]]))[0, 1])) < 5 / 20_000**0.5
