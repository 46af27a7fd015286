"""The processes that train one run together. The data side is the same in all of them; work is dealt out and gathered.

Without a process group, everything here is what one process does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")


def count() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if count() > 1 else 0


def leads() -> bool:
    """Whether this process writes files and speaks."""
    return rank() == 0


def gathered(value: T) -> list[T]:
    """The value of every process, in order of rank."""
    if count() == 1:
        return [value]
    found: list[Any] = [None] * count()
    dist.all_gather_object(found, value)
    return found


def shared(work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
    """`work(items)`, each process doing a stretch of them; the same everywhere.

    Raises: in every process what one of them raised, so that none waits for ever.
    """
    if count() == 1:
        return list(work(items))
    bounds = [len(items) * i // count() for i in range(count() + 1)]
    mine = items[bounds[rank()] : bounds[rank() + 1]]
    try:
        part: tuple[list[R], Exception | None] = (list(work(mine)) if mine else [], None)
    except Exception as error:
        part = [], error
    parts = gathered(part)
    for _, failed in parts:
        if failed is not None:
            raise failed
    return [x for done, _ in parts for x in done]


def dealt(parts: Sequence[T]) -> list[tuple[T, bool]]:
    """The parts this process takes of those dealt out by rank, as many in every process.

    A part that only fills up comes with False: it is to be computed and must not count.
    """
    rounds = -(-len(parts) // count())
    places = [i * count() + rank() for i in range(rounds)]
    return [(parts[i], True) if i < len(parts) else (parts[0], False) for i in places]


def sum_over_processes(value: Tensor) -> None:
    """Put the sum over all processes in place of the tensor's values."""
    if count() > 1:
        dist.all_reduce(value)
