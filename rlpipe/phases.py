"""A run as a list of phases, each with its own methods: `[{until: 0.6, methods: [cure]}, {methods: [dapo]}]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlpipe.params.signatures import check_methods
from rlpipe.recipe import Recipe, load


@dataclass(frozen=True)
class Phase:
    """A recipe and the share of the run's steps at which it ends, in (0, 1]."""

    until: float
    recipe: Recipe


def check_phases(phases: Sequence[Mapping[str, Any]]) -> None:
    """A run as `[{methods, until}, ..., {methods}]`.

    Raises: ValueError naming the phase: `until` missing, not increasing, out of (0, 1) or on the last phase; and
    whatever is wrong with its methods.
    """
    if not phases:
        raise ValueError("a run has no methods; give `methods: [grpo]`")
    before = 0.0
    for i, phase in enumerate(phases):
        where = f"phase {i}: " if len(phases) > 1 else ""
        until = phase.get("until")
        if i == len(phases) - 1 and until is not None:
            raise ValueError(f"{where}the last phase ends with the run; leave out until: {until}")
        if i < len(phases) - 1 and (until is None or not before < until < 1):
            raise ValueError(f"{where}until = {until} must be a share of the run, above {before:g} and below 1")
        before = until or 1.0
        try:
            check_methods(phase["methods"])
        except ValueError as error:
            raise ValueError(f"{where}{error}") from error


def load_phases(phases: Sequence[Mapping[str, Any]], artifacts: Mapping[str, str] | None = None) -> tuple[Phase, ...]:
    """The recipe of every phase; phases that choose no curriculum share one, so that a new phase goes on in the pool.

    Raises: ValueError as `check_phases` does.
    """
    check_phases(phases)
    loaded = [Phase(phase.get("until") or 1.0, load(phase["methods"], artifacts)) for phase in phases]
    shared = [i for i, phase in enumerate(loaded) if phase.recipe.filled_by["curriculum"] == "default"]
    for i in shared[1:]:
        recipe = replace(loaded[i].recipe, curriculum=loaded[shared[0]].recipe.curriculum)
        loaded[i] = replace(loaded[i], recipe=recipe)
    return tuple(loaded)


def recipe_at(phases: Sequence[Phase], step: int, total: int) -> Recipe:
    """The recipe of step `step`, counted from 0, of `total`: that of the first phase that has not ended."""
    return next((p.recipe for p in phases if step < round(p.until * total)), phases[-1].recipe)
