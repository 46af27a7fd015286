"""splitmix64 on int64 tensors, whose overflow wraps: numbers that depend on a counter and on nothing else.

Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, 2014.
"""

from __future__ import annotations

from jaxtyping import Int
from torch import Tensor

GOLDEN, _MIX_1, _MIX_2 = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15


def mix(z: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
    """The finaliser: every bit of the result hangs on every bit of `z`."""
    z = (z ^ shift(z, 30)) * _MIX_1
    z = (z ^ shift(z, 27)) * _MIX_2
    return z ^ shift(z, 31)


def shift(z: Int[Tensor, "..."], by: int) -> Int[Tensor, "..."]:
    """Logical shift to the right; that of signed integers would carry the sign down."""
    return (z >> by) & ((1 << (64 - by)) - 1)
