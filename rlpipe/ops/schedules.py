"""Numbers that may change over training: any scalar hyperparameter is a number or a schedule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Linear:
    """From `start` to `end` in equal steps over the first `steps` steps of training, then `end`."""

    start: float
    end: float
    steps: int


Scalar = float | Linear


def at(value: Scalar, index: int) -> float:
    """The value of a scalar at step `index`, counted from 0."""
    if isinstance(value, Linear):
        return value.start + (value.end - value.start) * min(index / value.steps, 1.0)
    return value
