"""The training texts nearest to each evaluation text, by the cosine of their embeddings, while training texts stream by.

Held in memory: the embeddings of the evaluation texts, and the best training texts found for each so far.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from rlpipe.overlap.paraphrase.embed import Embed

ENTRIES = 2**22  # of the largest matrix at once: 32 MiB
DIGITS = 5  # of a cosine: those beyond depend on the texts a text was embedded together with


@dataclass(frozen=True)
class Near:
    """A training text and its cosine; `row` counts all training rows from 0 and names the first that holds the text."""

    cosine: float
    row: int
    train_id: str
    train_set: str
    text: str
    key: str | None = None


class Nearest:
    """The `top` distinct training texts of the largest cosine to each text of `texts`; of equal ones the first.

    Texts without a visible character are on neither side.
    """

    def __init__(self, texts: Sequence[str], embed: Embed, top: int):
        self.embed, self.top, self.num_rows = embed, top, 0
        embedded = [i for i, text in enumerate(texts) if text.strip()]
        self.columns = {text: column for column, text in enumerate(embedded)}
        self.vectors = unit_vectors([texts[i] for i in embedded], embed)
        self._found: list[list[Near]] = [[] for _ in embedded]
        self._floor = np.full(len(embedded), -np.inf)  # what a cosine must exceed to be among the best

    def of(self, text: int) -> Sequence[Near]:
        """What was found for a text, by its number: nearest first; nothing for one that was not embedded."""
        return self._found[self.columns[text]] if text in self.columns else ()

    def add(self, frame: pl.DataFrame, flagged: Collection[tuple[int, int]]) -> None:
        """Take a batch of `texts` into account, without the pairs (row of the batch, number of a text) in `flagged`.

        A pair that is left out does not take one of the `top` places.
        """
        texts, first = frame["text"].to_list(), dict[str, int]()
        for row, text in enumerate(texts):
            if text.strip():
                first.setdefault(text, row)
        out: dict[str, set[int]] = {}
        for row, evaluation in flagged:
            if evaluation in self.columns:
                out.setdefault(texts[row], set()).add(self.columns[evaluation])
        distinct = list(first)
        size = max(1, ENTRIES // max(1, *self.vectors.shape))
        for start in range(0, len(distinct) if self.columns else 0, size):
            part = distinct[start : start + size]
            cosines = np.round(unit_vectors(part, self.embed) @ self.vectors.T, DIGITS)
            for i, text in enumerate(part):
                cosines[i, list(out.get(text, ()))] = -np.inf
            self._take(cosines, frame, [first[text] for text in part])
        self.num_rows += len(frame)

    def _take(self, cosines: Float[np.ndarray, "n e"], frame: pl.DataFrame, rows: Sequence[int]) -> None:
        """Only what is among the best of this matrix and above the worst of those kept is looked at one by one."""
        kth = np.partition(cosines, -self.top, axis=0)[-self.top] if len(cosines) > self.top else -np.inf
        better = (cosines >= kth) & (cosines > self._floor)
        for i, column in zip(*(axis.tolist() for axis in np.nonzero(better)), strict=True):
            identity, train_set, text, key = frame.row(rows[i])
            best = self._found[column]
            if any(near.text == text for near in best):
                continue
            best.append(Near(float(cosines[i, column]), self.num_rows + rows[i], identity, train_set, text, key))
            best.sort(key=lambda near: (-near.cosine, near.row))
            del best[self.top :]
            if len(best) == self.top:
                self._floor[column] = best[-1].cosine


def unit_vectors(texts: Sequence[str], embed: Embed) -> Float[np.ndarray, "n d"]:
    """Embeddings of length 1. Texts of similar length are embedded together, which saves padding.

    Raises: ValueError for an embedding that is not finite: its cosines could not flag anything.
    """
    if not texts:
        return np.zeros((0, 1))
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    vectors = np.empty_like(found := embed([texts[i] for i in order]))
    vectors[order] = found
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"the embedding model gives no finite numbers for {len(wrong)} texts, such as {texts[wrong[0]][:80]!r}; "
            f"load it in a wider type, or take another"
        )
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(float).tiny)
