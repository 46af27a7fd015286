"""From the n-grams and shingles of a batch of texts to the evaluation texts that share enough of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rlpipe.overlap.eval_text import EvalText, View
from rlpipe.overlap.similarity import Gram, grams
from rlpipe.overlap.thresholds import OverlapThresholds
from rlpipe.overlap.word_hashes import Postings, WordHashes, count_pairs, distinct_pairs, gram_hashes, word_hashes


class ViewIndex:
    """The evaluation texts of one view: n-grams for coverage, any number equal to any other, and shingles for Jaccard."""

    def __init__(self, texts: Sequence[EvalText], members: Sequence[int], view: View, thresholds: OverlapThresholds):
        self.view, self.thresholds = view, thresholds
        self.members = np.asarray(members, np.int64)
        self.texts = texts
        hashes = word_hashes([texts[i].text for i in members], view)
        t = thresholds
        self.most = max(t.boilerplate_rows, int(t.boilerplate_share * len(members)))
        long = [not texts[i].short for i in members]
        rows, keys = self._grams(hashes.wording, t.coverage_ngram, long)
        self.wording = Postings(rows, keys, self.most)
        # Where more texts than may be have one wording, their numbers are what tells them apart.
        common = np.isin(keys, self.wording.common)
        rows, keys = self._grams(hashes, t.coverage_ngram, long)
        self.cover = Postings(rows[common], keys[common], self.most)
        self.shingles: dict[int, tuple[Postings, NDArray[np.int64]]] = {}
        for n in {t.shingle, t.short_shingle}:
            chosen = [texts[i].shingle == n for i in members]
            if any(chosen):
                rows, keys = self._grams(hashes, n, chosen)
                postings = Postings(rows, keys, self.most)
                self.shingles[n] = postings, self._needed(rows, keys, postings)

    def _grams(self, hashes: WordHashes, n: int, chosen: list[bool]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        rows, keys = gram_hashes(hashes, n)
        kept = np.asarray(chosen, bool)[rows]
        return rows[kept], keys[kept]

    def _needed(self, rows: NDArray[np.int64], keys: NDArray[np.uint64], postings: Postings) -> NDArray[np.int64]:
        """Shingles in the postings that a text must share with each member to reach the lower Jaccard threshold.

        J(A, B) >= t needs |A and B| >= t |B|; all the common shingles of B, which have no postings, may be among them.
        """
        rows, keys = distinct_pairs(rows, keys)
        sizes = np.bincount(rows, minlength=len(self.members))
        num_common = np.bincount(rows[np.isin(keys, postings.common)], minlength=len(self.members))
        return np.maximum(1, np.ceil(self.thresholds.jaccard_review * sizes - 1e-9).astype(np.int64) - num_common)

    def candidates(self, hashes: WordHashes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs (training row of the batch, evaluation text) that share enough of their words."""
        n, found = self.thresholds.coverage_ngram, []
        for postings, words in ((self.wording, hashes.wording), (self.cover, hashes)):
            if len(postings.keys):
                rows, members = postings.find(*gram_hashes(words, n))
                found.append(count_pairs(rows, members, len(self.members))[:2])
        for n, (postings, needed) in self.shingles.items():
            rows, members = postings.find(*gram_hashes(hashes, n))
            rows, members, counts = count_pairs(rows, members, len(self.members))
            enough = counts >= needed[members]
            found.append((rows[enough], members[enough]))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        rows, members = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return rows, self.members[members]

    def boilerplate(self) -> dict[int, frozenset[Gram]]:
        """The n-grams that more evaluation texts hold than can be evidence, by text."""
        common = self.cover.common
        if not len(common):
            return {}
        n = self.thresholds.coverage_ngram
        hashes = word_hashes([self.texts[i].text for i in self.members], self.view)
        rows, keys = gram_hashes(hashes, n)
        hit, found = np.isin(keys, common), {}
        for member in np.unique(rows[hit]):
            text = self.texts[self.members[member]]
            all_grams = grams(text.words, n)
            common_here = hit[rows == member]
            found[int(self.members[member])] = frozenset(g for g, c in zip(all_grams, common_here, strict=True) if c)
        return found
