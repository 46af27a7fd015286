"""The task families by file name.

Families are loaded by name, one at a time, so that a stage depends on the families it uses and on no other.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

PREFIX = "rlpipe/"
NOT_FAMILIES = frozenset(
    {"__init__", "arithmetic", "catalogue", "graph_pieces", "problem", "reasoning_gym", "second_response", "untrusted"}
)


def families() -> list[str]:
    """Names of the families in this folder, sorted: one per file."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in NOT_FAMILIES)


def family(source: str) -> Any:
    """The module of a family, from its name (`countdown`) or its source (`rlpipe/countdown`).

    Raises: ValueError for a name that is no family.
    """
    name = source.removeprefix(PREFIX)
    if name not in families():
        raise ValueError(f"task source {source!r}: no such family; rlpipe/tasks has {', '.join(families())}")
    return import_module(f"rlpipe.tasks.{name}")
