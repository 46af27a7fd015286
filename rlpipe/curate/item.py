"""A prompt on its way through curation, and a row that was left behind."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rlpipe.curate.files.answers import spelling
from rlpipe.curate.files.records import Record
from rlpipe.overlap import normalize
from rlpipe.prompts import to_prompt
from rlpipe.types import Prompt

TEXT_CHARACTERS = 2000


@dataclass(frozen=True)
class Item:
    """`row` has schema prompts/1; `place` says where it came from; `splits` are those it may go to."""

    row: Record
    place: str
    splits: tuple[str, ...]

    @property
    def id(self) -> str:
        return str(self.row["prompt_id"])

    @property
    def source(self) -> str:
        return str(self.row["data_source"])

    @property
    def gold(self) -> str:
        return str(self.row["reward_model"]["ground_truth"])

    @cached_property
    def answer(self) -> str:
        """The reference answer without its spelling."""
        return spelling(self.source, self.gold)

    @property
    def pinned(self) -> bool:
        """Of a benchmark: a file that goes to the test split as a whole, and is not edited."""
        return self.splits == ("test",)

    @cached_property
    def text(self) -> str:
        return normalize.user_text(self.row["prompt"])

    @cached_property
    def metadata(self) -> dict[str, Any]:
        return dict(json.loads(self.row["metadata_json"]))

    @cached_property
    def key(self) -> str | None:
        """What tells a procedural problem from every other; None for prompts in free words."""
        return normalize.problem_key(self.source, self.id, self.row["metadata_json"])

    @cached_property
    def prompt(self) -> Prompt:
        return to_prompt(self.row)


@dataclass(frozen=True)
class Rejected:
    """A row left out: by which stage, why, and which row it collided with."""

    stage: str
    reason: str
    data_source: str
    place: str
    prompt_id: str | None = None
    collided_with: str | None = None
    score: float | None = None
    detail: str | None = None
    text: str | None = None

    def row(self) -> Record:
        """The row of schema rejected/1."""
        names = ("stage", "reason", "data_source", "prompt_id", "collided_with", "score", "detail", "text")
        return {"row": self.place, **{name: getattr(self, name) for name in names}}


def rejected(
    item: Item,
    stage: str,
    reason: str,
    collided_with: str | None = None,
    score: float | None = None,
    detail: str | None = None,
) -> Rejected:
    """The record of an item that is left out."""
    text = item.text[:TEXT_CHARACTERS]
    return Rejected(stage, reason, item.source, item.place, item.id, collided_with, score, detail, text)
