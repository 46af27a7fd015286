"""Toy method. arXiv:0000.00000."""

from __future__ import annotations

from typing import Any


def rloo(recipe: Any, *, scale: float = 1.0) -> Any:
    """Fills what a base method fills."""
    return recipe.choose(advantage=scale, policy_loss="rloo")
