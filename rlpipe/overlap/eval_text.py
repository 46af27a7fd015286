"""One text of an evaluation set, with what is compared of it; each form is computed once, when first needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rlpipe.overlap import normalize
from rlpipe.overlap.similarity import Gram, grams, positions
from rlpipe.overlap.thresholds import OverlapThresholds

View = Literal["n1", "n2"]


@dataclass(frozen=True)
class EvalText:
    """One distinct evaluation text, and the (set, id) of every row that holds it."""

    text: str
    rows: tuple[tuple[str, str], ...]
    thresholds: OverlapThresholds
    key: str | None = None  # of a procedural problem, which is compared by its key and by nothing else
    boilerplate: frozenset[Gram] = frozenset()

    @cached_property
    def operators(self) -> tuple[str, ...]:
        return normalize.operators(self.text)

    @property
    def view(self) -> View:
        """How its words are told apart: N2 where operators carry meaning."""
        return "n2" if self.operators else "n1"

    @cached_property
    def plain_words(self) -> list[str]:
        return normalize.words(self.text)

    @cached_property
    def words(self) -> list[str]:
        return normalize.terms(self.text) if self.view == "n2" else self.plain_words

    @property
    def short(self) -> bool:
        """Too short for coverage; compared by its longest common subsequence instead."""
        return len(self.plain_words) < self.thresholds.coverage_ngram

    @property
    def shingle(self) -> int:
        t = self.thresholds
        return t.short_shingle if len(self.plain_words) < t.short_words else t.shingle

    @cached_property
    def shingles(self) -> frozenset[Gram]:
        return frozenset(grams(self.words, self.shingle))

    @cached_property
    def places(self) -> dict[Gram, list[int]]:
        return positions(self.words, self.thresholds.coverage_ngram)
