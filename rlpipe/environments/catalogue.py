"""The environments by file name. No torch here: names are checked while params.yaml is read."""

from __future__ import annotations

from pathlib import Path

NOT_ENVIRONMENTS = ("__init__", "catalogue", "load", "settings")


def environments() -> list[str]:
    """Names of the environments in this folder, sorted: one per file."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in NOT_ENVIRONMENTS)
