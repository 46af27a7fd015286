"""The task families by file name, their vocabulary and the size of their prompt spaces.

Families are loaded by name, one at a time, so that a stage depends on the families it uses and on no other.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

PREFIX = "rlpipe/"
NOT_FAMILIES = frozenset({"__init__", "arithmetic", "catalogue", "graphs", "problem", "reasoning_gym", "untrusted"})


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


def words_of(sources: Iterable[str]) -> list[str]:
    """Every word the prompts and responses of these families can hold, sorted, each once."""
    return sorted({word for source in sources for word in family(source).words()})


@cache
def prompt_space(source: str, level: str, draws: int = 20_000) -> tuple[int, bool]:
    """Number of distinct problems of a level, and whether it is exact (True) or a lower bound (False).

    Exact where the family counts them (`space`); else the distinct keys among `draws` problems drawn with seed 0.
    Raises: ValueError for a family or level that does not exist.
    """
    module = family(source)
    if level not in module.LEVELS:
        raise ValueError(f"{source}: level {level!r} is not one of {', '.join(module.LEVELS)}")
    if hasattr(module, "space"):
        return module.space(level), True
    rng = random.Random(0)
    return len({module.generate(rng, level).key for _ in range(draws)}), False
