"""Rows of similar length put together, so that little is computed on padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor


def row_lengths(response_mask: Bool[Tensor, "B T"]) -> list[int]:
    """Tokens of each row up to its last response token."""
    position = torch.arange(1, response_mask.shape[1] + 1, device=response_mask.device)
    lengths: list[int] = (response_mask * position).amax(-1).tolist()
    return lengths


def parts_of_similar_length(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Indices of rows, longest first, in parts of at most `most_tokens` with their padding (one row at least).

    The first row of a part is its longest; rows of equal length keep their order.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    start = 0
    while start < len(order):
        part = order[start : start + max(1, most_tokens // max(lengths[order[start]], 1))]
        yield part
        start += len(part)
