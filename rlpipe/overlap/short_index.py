"""From a batch of texts to the short evaluation texts they may be a subsequence of, or the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rlpipe.overlap import normalize
from rlpipe.overlap.eval_text import EvalText
from rlpipe.overlap.word_hashes import Postings, WordHashes, bag_hashes, word_hashes


class ShortIndex:
    """Texts too short for coverage: by their numbers, or by their rarest words if they have none."""

    def __init__(self, texts: Sequence[EvalText], lcs_drop: float):
        self.members = np.asarray([i for i, t in enumerate(texts) if t.key is None and t.short], np.int64)
        chosen = [texts[i].text for i in self.members]
        self.longest = np.asarray([2 * len(normalize.tokens(text)) for text in chosen], np.int64)
        bags = bag_hashes(word_hashes(chosen, "numbers"))
        index, numbered = np.arange(len(chosen)), bags != 0
        self.bags = Postings(index[numbered], bags[numbered], most=len(chosen))
        self.rare = Postings(*_rarest(word_hashes(chosen, "tokens"), ~numbered, lcs_drop), most=len(chosen))

    def candidates(self, texts: pl.Series, plain: WordHashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs (row, evaluation text) with the same numbers, or with none and a rare word in common.

        Rows more than twice as long are left out: a short text is a subsequence of almost any long one.
        """
        bags = bag_hashes(word_hashes(texts, "numbers"))
        rows = np.flatnonzero(bags)
        found = [self.bags.find(rows, bags[rows])]
        if len(self.rare.keys):
            unnumbered = np.flatnonzero(bags == 0)
            hashes = word_hashes(texts.gather(unnumbered), "tokens")
            found.append(self.rare.find(unnumbered[hashes.row], hashes.word))
        rows, members = (np.concatenate(side) for side in zip(*found, strict=True))
        lengths = np.bincount(plain.row, minlength=len(texts))
        near = lengths[rows] <= self.longest[members]
        return rows[near], self.members[members[near]]


def _rarest(
    hashes: WordHashes, chosen: NDArray[np.bool_], lcs_drop: float
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """So many of the rarest words of each chosen text that no text at least as long can do without all of them."""
    kept = chosen[hashes.row]
    rows, words = hashes.row[kept], hashes.word[kept]
    _, inverse, counts = np.unique(words, return_inverse=True, return_counts=True)
    order = np.lexsort((words, counts[inverse], rows))
    rows, words = rows[order], words[order]
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    lengths = np.diff(np.append(starts, len(rows)))
    place = np.arange(len(rows)) - np.repeat(starts, lengths)
    needed = np.asarray([n - ceil(lcs_drop * n - 1e-9) + 1 for n in lengths], np.int64)
    first = place < np.repeat(needed, lengths)
    return rows[first], words[first]
