"""One text of an evaluation set, with what is compared of it; each form is computed once, when first needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rlpipe.overlap import normalize
from rlpipe.overlap.similarity import Gram, grams, places
from rlpipe.overlap.thresholds import OverlapThresholds
from rlpipe.overlap.wording import Wording

View = Literal["n1", "n2"]
WHOLE = 4  # words from which a short text is looked for as a whole inside others


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
        return normalize.plain_words(self.text)

    @cached_property
    def words(self) -> list[str]:
        return normalize.formula_words(self.text) if self.view == "n2" else self.plain_words

    @cached_property
    def wording(self) -> Wording:
        return Wording(self.words)

    @property
    def short(self) -> bool:
        """Too short for coverage; compared by its longest common subsequence instead, and looked for as a whole."""
        return len(self.plain_words) < self.thresholds.coverage_ngram

    @property
    def shingle(self) -> int:
        t = self.thresholds
        return t.short_shingle if len(self.plain_words) < t.short_words else t.shingle

    @cached_property
    def shingles(self) -> frozenset[Gram]:
        return frozenset(grams(self.words, self.shingle))

    @property
    def gram(self) -> int:
        """Words of the n-grams that are compared: all its words where they are too few for coverage."""
        return len(self.words) if self.short else self.thresholds.coverage_ngram

    def grams(self, wording: Wording) -> list[Gram]:
        """The n-grams of any text that are compared with this one's; of a short text with its numbers."""
        if self.short:
            return grams(wording.words, self.gram) if self.gram >= WHOLE else []
        return wording.grams(self.gram)

    @cached_property
    def places(self) -> dict[Gram, list[int]]:
        return places(self.grams(self.wording))
