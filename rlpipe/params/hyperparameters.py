"""The types of hyperparameters: a range each, checked when a run is configured; any scalar may be a schedule.

Method files annotate with these names; `rlpipe.params.signatures` evaluates them without importing a method. No torch here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from rlpipe.ops.schedules import Linear
from rlpipe.ops.schedules import Scalar as Value

__all__ = [
    "Any",
    "Artifact",
    "AtLeastOne",
    "Count",
    "Fraction",
    "Linear",
    "Literal",
    "NonNegative",
    "Positive",
    "Real",
    "Seed",
    "Whole",
]


@dataclass(frozen=True)
class Range:
    """The numbers a scalar may take, for itself and for both ends of a schedule."""

    low: float = -math.inf
    high: float = math.inf
    above_low: bool = False

    def __str__(self) -> str:
        if math.isinf(self.low) and math.isinf(self.high):
            return "a number"
        if math.isinf(self.high):
            return f"a number {'>' if self.above_low else '>='} {self.low:g}"
        return f"a number in {'(' if self.above_low else '['}{self.low:g}, {self.high:g}]"

    def parse(self, value: Any) -> Value:
        """A number, or `{start, end, steps}`. Raises: ValueError."""
        if isinstance(value, Linear):
            value = asdict(value)
        if not isinstance(value, Mapping):
            return self._number(value)
        if set(value) != {"start", "end", "steps"} or not _whole(value["steps"]) or value["steps"] < 1:
            raise ValueError("a schedule is {start: number, end: number, steps: whole number of steps >= 1}")
        return Linear(self._number(value["start"]), self._number(value["end"]), value["steps"])

    def _number(self, value: Any) -> float:
        try:
            # PyYAML reads 2e-4 (no dot) as text; a user means the number.
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        within = self.low < number if self.above_low else self.low <= number
        if not (math.isfinite(number) and within and number <= self.high):
            raise ValueError(f"{value!r} is not {self}")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


Real = Annotated[Value, Range()]
NonNegative = Annotated[Value, Range(0.0)]
Positive = Annotated[Value, Range(0.0, above_low=True)]
AtLeastOne = Annotated[Value, Range(1.0)]
Fraction = Annotated[Value, Range(0.0, 1.0)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]
Whole = Annotated[int, Field(ge=0, strict=True)]
ARTIFACT = r"^(sft|train/[a-z0-9][a-z0-9_-]*(/seed-\d+)?)$"
# Another artifact, which becomes an input of the run: `sft`, `train/<run>` (with this run's seed) or `train/<run>/seed-<n>`.
Artifact = Annotated[str | None, Field(pattern=ARTIFACT)]


def describe(annotation: Any) -> str:
    """What a hyperparameter of this type may be, in words: for errors and tables."""
    for note in getattr(annotation, "__metadata__", ()):
        if isinstance(note, Range):
            return f"{note}, or a schedule {{start, end, steps}} between two such"
    if annotation in (Count, Seed):
        return f"a whole number >= {1 if annotation == Count else 0}"
    if annotation == Artifact:
        return "the name of an artifact: sft, train/<run> or train/<run>/seed-<n>"
    if annotation is bool:
        return "true or false"
    choices = getattr(annotation, "__args__", None)
    return "one of " + ", ".join(map(str, choices)) if choices else str(annotation)
