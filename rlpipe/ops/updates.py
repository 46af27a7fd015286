"""From the batch of a step to those of its updates, and to parts that one forward pass takes."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rlpipe.ops.lengths import parts_of_similar_length, row_lengths
from rlpipe.types import Batch, Step


def mini_batches(batch: Batch, step: Step) -> Iterator[Batch]:
    """`step.mini_batches` parts of whole groups, in an order drawn from `step.rng`; fewer if there are fewer groups."""
    groups = batch.group.unique()
    order = groups[torch.randperm(len(groups), generator=step.rng).to(groups.device)]
    for chosen in order.tensor_split(min(step.mini_batches, len(groups))):
        yield batch.rows(torch.isin(batch.group, chosen).nonzero().squeeze(-1))


def micro_batches(batch: Batch, most_tokens: int) -> Iterator[Batch]:
    """Rows of similar length, each part at most `most_tokens` tokens with its padding (one row at least)."""
    length = row_lengths(batch.response_mask)
    for rows in parts_of_similar_length(length, most_tokens):
        yield batch.rows(rows, length[rows[0]])
