"""Against the published generator, in whole numbers of 64 bits without a sign."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from rlpipe.ops import splitmix
from rlpipe.ops.draws import token_uniform
from tests.toy import random_batch

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def splitmix64(z: int) -> int:
    """The finaliser of Steele, Lea and Flood, 2014 (Stafford's variant 13), as in Java's SplittableRandom."""
    z &= MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def signed(z: int) -> int:
    z &= MASK
    return z - 2**64 if z >> 63 else z


def test_the_first_numbers_of_seed_1234567():
    # The example of every published implementation.
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    state = torch.tensor(1234567) + torch.arange(1, 6) * splitmix.GOLDEN
    assert [z & MASK for z in splitmix.mix(state).tolist()] == expected
    assert [splitmix64(1234567 + i * GOLDEN) for i in range(1, 6)] == expected
    assert splitmix.GOLDEN & MASK == GOLDEN


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5), st.integers(1, 63))
def test_signs_and_overflow_make_no_difference(numbers, by):
    z = torch.tensor(numbers)
    assert splitmix.mix(z).tolist() == [signed(splitmix64(n)) for n in numbers]
    assert splitmix.shift(z, by).tolist() == [(n & MASK) >> by for n in numbers]


def test_uniforms_of_tokens_are_the_generators():
    batch, seed = random_batch(seed=2), 987654321
    draw = token_uniform(seed, batch.tokens, batch.response_mask)
    for row in range(len(batch)):
        last = int(batch.response_mask[row].nonzero().max())
        ids = batch.tokens[row, : last + 1].tolist()
        fingerprint = sum(splitmix64(splitmix64(t + 1) + i * GOLDEN) for i, t in enumerate(ids, 1))
        key = splitmix64(fingerprint + seed)
        expected = [(splitmix64(key + i * GOLDEN) >> 11) / 2**53 for i in range(1, len(ids) + 1)]
        assert draw[row, : last + 1].tolist() == expected
