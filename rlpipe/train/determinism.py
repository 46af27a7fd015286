"""What makes two runs of a training stage equal to the last bit on one machine."""

from __future__ import annotations

import torch


def deterministic(threads: int) -> None:
    """`threads` and deterministic kernels for this process; sums depend on both.

    Torch would then also fill all memory before its first use, to unmask code that reads what it never wrote. That takes
    time in every operation of a small model and changes no result, so it is left out.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
