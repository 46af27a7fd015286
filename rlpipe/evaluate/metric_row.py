"""What all rows of eval/1 share: their type, the name of the whole, and numbers that come out equal everywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlpipe.statistics.intervals import Interval
    from rlpipe.statistics.paired import Paired

Row = dict[str, Any]
ALL = "all"


def stable(value: Any) -> Any:
    """Floats to 12 digits, in rows and what they hold: the last bits of a sum depend on how many threads added it."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, Mapping):
        return {key: stable(v) for key, v in value.items()}
    return [stable(v) for v in value] if isinstance(value, list | tuple) else value


def to_json(value: Mapping[str, Any]) -> str:
    return json.dumps(stable(value), sort_keys=True)


def bounds(found: Interval | Paired) -> Row:
    """A value with its standard error and interval, in the columns of eval/1."""
    return {"value": found.value, "se": found.se, "ci_lo": found.low, "ci_hi": found.high}


def label(name: str, k: int | None = None) -> str:
    """Name and k, which eval/1 stores apart, written together: pass@8."""
    return name if k is None else name.removesuffix("k") + str(k)
