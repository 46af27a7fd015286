"""Whether prompts and demonstrations fit the model, known before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rlpipe.curate.files.records import Record
from rlpipe.curate.item import Item, Rejected, rejected
from rlpipe.params.model_settings import MAX_LENGTH, ModelSettings
from rlpipe.types import Message

STAGE, REASON = "lengths", "too long"
AROUND = 2  # tokens that the tokenizer of a model from scratch puts around the words of a prompt


@dataclass(frozen=True)
class Lengths:
    """`longest`: tokens of the model's longest sequence, None without a limit; `response`: of the longest response."""

    longest: int | None
    response: int
    count: Callable[[Sequence[Message]], int]
    count_text: Callable[[str], int]

    @property
    def room(self) -> int | None:
        """Tokens that a prompt may have."""
        return None if self.longest is None else self.longest - self.response


def lengths_of(model: ModelSettings, response: int) -> Lengths:
    """Lengths in the tokens of the model that will be trained; its weights are not read.

    Raises: ModelError for a path without a usable config or tokenizer.
    """
    if model.path is None:
        longest = model.max_length or MAX_LENGTH
        return Lengths(longest, response, lambda turns: AROUND + sum(_words(m["content"]) for m in turns), _words)
    from rlpipe import models

    config, tokenizer = models.load_tokenizer(model.path)
    limits = [limit for limit in (models.longest(config), model.max_length) if limit is not None]

    def count_text(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return Lengths(min(limits, default=None), response, lambda turns: len(models.encode(tokenizer, turns)), count_text)


def _words(text: str) -> int:
    return len(text.split())


@dataclass(frozen=True)
class Fitting:
    """Items that fit, those that do not, and the longest of these in words."""

    items: list[Item]
    rejected: list[Rejected]
    longest: str | None


def fitting(items: Sequence[Item], lengths: Lengths | None, rule: Literal["drop", "refuse"]) -> Fitting:
    """The items whose prompts leave room for a response.

    Raises: ValueError naming the longest prompt, if there is one too long and `rule` is refuse.
    """
    if lengths is None or lengths.room is None:
        return Fitting(list(items), [], None)
    sizes = [lengths.count(item.prompt.messages) for item in items]
    long = [(size, item) for size, item in zip(sizes, items, strict=True) if size > lengths.room]
    if not long:
        return Fitting(list(items), [], None)
    size, item = max(long, key=lambda pair: pair[0])
    words = f"the longest, {item.id} of {item.place}, has {size} tokens"
    if rule == "refuse":
        raise ValueError(
            f"{len(long)} prompts leave no room for a response: {words}, and the model takes {lengths.longest} with a "
            f"response of {lengths.response}; raise model.max_length, lower max_new_tokens, or set curate.too_long to drop"
        )
    left = [
        rejected(i, STAGE, f"{REASON}: {n} tokens, {lengths.room} are left beside a response", score=float(n))
        for n, i in long
    ]
    gone = {id(i) for _, i in long}
    return Fitting([i for i in items if id(i) not in gone], left, words)


def short_demonstrations(
    worked: Sequence[Record], lengths: Lengths | None, rule: Literal["drop", "refuse"]
) -> tuple[list[Record], int]:
    """Demonstrations that fit the model with their end token, and how many do not.

    Raises: ValueError naming the longest, if one is too long and `rule` is refuse.
    """
    if lengths is None or lengths.longest is None:
        return list(worked), 0
    sizes = [_size(row, lengths) for row in worked]
    kept = [row for row, size in zip(worked, sizes, strict=True) if size <= lengths.longest]
    if rule == "refuse" and len(kept) < len(worked):
        size, row = max(zip(sizes, worked, strict=True), key=lambda pair: pair[0])
        raise ValueError(
            f"{len(worked) - len(kept)} demonstrations do not fit the model: the longest, of prompt {row['prompt_id']}, has "
            f"{size} tokens, the model takes {lengths.longest}; raise model.max_length, or set curate.too_long to drop"
        )
    return kept, len(worked) - len(kept)


def _size(row: Record, lengths: Lengths) -> int:
    turns: Any = row["prompt"]
    return lengths.count(turns) + lengths.count_text(row["response"]) + 1
