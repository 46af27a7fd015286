"""Policies kept on the way through a run, beside the last one: for the misevolution watch, and to be evaluated.

Keeping one draws no random number and changes no weight, so a run ends bitwise where it would have without. They wait in
scratch until the run is complete: a checkpoint at step n is only saved once every snapshot up to n is on disk.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from torch import nn

from rlpipe import models

FOLDER = "snapshots"


def snapshot_steps(count: int, steps: int) -> list[int]:
    """The numbers of steps after which `count` policies are kept: evenly apart, none before the first or after the last."""
    return sorted({round(i * steps / (count + 1)) for i in range(1, count + 1)} - {0, steps})


def keep(model: nn.Module, tokenizer: Any, step: int, scratch: Path) -> None:
    """Write the policy after `step` steps as a Hugging Face directory; complete or absent."""
    (scratch / FOLDER).mkdir(parents=True, exist_ok=True)
    models.save_policy(model, tokenizer, scratch / FOLDER / name(step))


def collect(steps: list[int], scratch: Path, out: Path) -> None:
    """Copy them into the artifact. Copied, not moved: a run killed here must still find them."""
    for step in steps:
        shutil.copytree(scratch / FOLDER / name(step), out / FOLDER / name(step))


def name(step: int) -> str:
    return f"step-{step}"
