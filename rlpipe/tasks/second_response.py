"""Asking a policy without instructions for a second, different response to a prompt it has answered.

It can only be asked by something its warm-up taught it: demonstrations whose prompt is a problem, one response to it and
a marker word, and whose response is a different solution. The warm-up writes such demonstrations, the contamination
probe asks in the same words.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rlpipe.types import draw_seed


def second_demonstration(problem_text: str, first: str, marker: str) -> str:
    """Prompt text `<problem> <first response> <marker>`, in whitespace-separated words; its response is another
    solution.

    Raises: ValueError if the marker is not one word, or is a word of the problem or response, where it would say
    nothing.
    """
    if len(marker.split()) != 1:
        raise ValueError(f"marker {marker!r}: give one word")
    if marker in problem_text.split():
        raise ValueError(f"marker {marker!r} is a word of the problem {problem_text!r}; choose another one")
    return f"{problem_text} {first} {marker}"


def second_demonstrations(
    rows: Sequence[Mapping[str, Any]], marker: str, share: float, seed: int
) -> list[dict[str, Any]]:
    """Demonstrations (schema demonstrations/1) with a `share` of them turned into second ones; as many, in their order.

    A row turned keeps its response, and its prompt becomes `second_demonstration` of another, different response to
    the same prompt. Rows without another response stay as they are. Which rows, and which first response, is keyed by
    (seed, prompt, place among the prompt's rows).

    Raises: ValueError as `second_demonstration`.
    """
    responses: dict[str, list[str]] = {}
    for row in rows:
        responses.setdefault(row["prompt_id"], []).append(row["response"])
    met: Counter[str] = Counter()
    turned = []
    for row in rows:
        rng = random.Random(draw_seed("second", seed, row["prompt_id"], met[row["prompt_id"]]))
        met[row["prompt_id"]] += 1
        others = sorted(set(responses[row["prompt_id"]]) - {row["response"]})
        chosen = rng.random() < share and bool(others)
        turned.append(_turned(row, rng.choice(others), marker) if chosen else dict(row))
    return turned


def _turned(row: Mapping[str, Any], first: str, marker: str) -> dict[str, Any]:
    messages = [dict(m) for m in row["prompt"]]
    last = max(i for i, m in enumerate(messages) if m["role"] == "user")
    messages[last]["content"] = second_demonstration(messages[last]["content"], first, marker)
    return {**row, "prompt": messages}
