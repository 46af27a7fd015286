"""Equal results on x86 processors of different make: kernels of one vector width, whatever the processor could do.

Libraries choose kernels by the processor, and kernels of different width add in another order: after some hundred steps
the policies are others. Pinned, what has AVX2 computes the same bits (`benchmarks/bits.py` hashes them); what has
wider vectors gives up some speed. Accelerators are not covered.
"""

from __future__ import annotations

import os

# Read by MKL, PyTorch and oneDNN when they first compute.
KERNELS = {"MKL_CBWR": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}


def pin_kernels(wanted: bool = True) -> None:
    """For this process and those it starts, before the first computation; not wanted, what the shell says stands."""
    if wanted:
        os.environ.update(KERNELS)
