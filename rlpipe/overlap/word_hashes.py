"""Words and n-grams of many texts at once, as 64-bit hashes in flat arrays.

Key: **R** texts, **N** words of all texts, **M** n-grams of all texts. Hashes are only ever a filter: what they find is
compared word by word afterwards, so no result depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rlpipe.overlap import normalize, wording

Kind = Literal["n1", "n2", "tokens", "numbers"]
PATTERN = {"n1": normalize.PLAIN, "n2": normalize.TERMS, "tokens": normalize.TOKENS, "numbers": normalize.NUMBER}
_BASE = np.uint64(0x9E3779B97F4A7C15)
# Of these characters alone both regular-expression engines hold the same opinion, and folding is lower-casing.
_PLAIN = r"^[\t-\r -~]*$"
_SPELLED = pl.Series(list(normalize.SPELLED)).hash(seed=0).to_numpy()
_SHIFT = np.uint64(48)
_SEEN = np.zeros(2**16, bool)  # by the first 16 bits of a hash: cheaper to ask than the list
_SEEN[_SPELLED >> _SHIFT] = True
_SEPARATED = r"\d,\d{3}"  # may hold a thousands separator


@dataclass(frozen=True)
class WordHashes:
    """Words of R texts, texts one after the other: `row` `[N]` says whose word it is, `word` `[N]` is its hash.

    `sign` `[N]` is the hash of the word with signs for numbers (`wording.Wording`).
    """

    row: NDArray[np.int64]
    word: NDArray[np.uint64]
    sign: NDArray[np.uint64]
    num_rows: int

    @property
    def wording(self) -> WordHashes:
        """The same words, any number equal to any other."""
        return replace(self, word=self.sign)


def word_hashes(texts: Sequence[str] | pl.Series, kind: Kind) -> WordHashes:
    """The words of each text under N1, its terms or all its tokens under N2, or its numbers.

    Plain ASCII texts, nearly all, are split by polars; the others by the definition itself.
    """
    series = texts if isinstance(texts, pl.Series) else pl.Series(list(texts), dtype=pl.String)
    plain = (series.str.contains(_PLAIN) & ~series.str.contains(_SEPARATED)).to_numpy()
    index = np.arange(len(series))
    parts = []
    if plain.any():
        split = series.filter(pl.Series(plain)).str.to_lowercase().str.extract_all(PATTERN[kind].pattern)
        parts.append(_flat(split, index[plain]))
    if not plain.all():
        pattern = PATTERN[kind]
        lists = [pattern.findall(normalize.without_separators(text)) for text in series.filter(pl.Series(~plain))]
        parts.append(_flat(pl.Series(lists, dtype=pl.List(pl.String)), index[~plain]))
    if not parts:
        return WordHashes(np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.uint64), 0)
    row, word, sign = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return WordHashes(row, word, sign, len(series))


def _flat(
    lists: pl.Series, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
    counts = lists.list.len().to_numpy().astype(np.int64)
    words = lists.filter(pl.Series(counts > 0)).explode()
    hashes = words.hash(seed=0).to_numpy()
    return np.repeat(rows, counts), hashes, _signs(words, hashes)


def _signs(words: pl.Series, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hashes of the words with the sign for every number. Of ASCII words only those below `:` can begin with a digit."""
    signs = hashes.copy()
    below = np.flatnonzero(((words < ":") | (words > "~")).to_numpy())
    digits = words.gather(below).str.contains(r"^\d").to_numpy()
    spelled = np.flatnonzero(_SEEN[hashes >> _SHIFT])
    spelled = spelled[np.isin(hashes[spelled], _SPELLED)]
    signs[below[digits]] = signs[spelled] = pl.Series([wording.SIGN]).hash(seed=0)[0]
    return signs


def gram_hashes(words: WordHashes, n: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Row `[M]` and hash `[M]` of every n-gram of consecutive words of one text."""
    size = len(words.word) - n + 1
    if size <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    total = np.zeros(size, np.uint64)
    for i in range(n):
        total *= _BASE
        total += words.word[i : size + i]
    inside = words.row[:size] == words.row[n - 1 :]
    return words.row[:size][inside], total[inside]


def bag_hashes(words: WordHashes) -> NDArray[np.uint64]:
    """One hash per text `[R]`, equal for texts with the same words whatever their order; 0 for none."""
    return _sum_by_row(words, words.word)


def sequence_hashes(words: WordHashes) -> NDArray[np.uint64]:
    """One hash per text `[R]`, equal for texts with the same words in the same order; 0 for none."""
    if not len(words.row):
        return np.zeros(words.num_rows, np.uint64)
    starts = _starts(words.row)
    place = np.arange(len(words.row)) - np.repeat(starts, np.diff(np.append(starts, len(words.row))))
    powers = np.full(int(place.max()) + 1, _BASE, np.uint64)
    return _sum_by_row(words, words.word * np.multiply.accumulate(powers)[place])


def _starts(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.flatnonzero(np.diff(rows, prepend=-1))


def _sum_by_row(words: WordHashes, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    sums = np.zeros(words.num_rows, np.uint64)
    if len(words.row):
        starts = _starts(words.row)
        sums[words.row[starts]] = np.add.reduceat(values, starts)
    return sums


def distinct_pairs(rows: NDArray[np.int64], grams: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The distinct (row, gram), by gram and then by row."""
    order = np.lexsort((rows, grams))
    rows, grams = rows[order], grams[order]
    first = np.ones(len(rows), bool)
    first[1:] = (grams[1:] != grams[:-1]) | (rows[1:] != rows[:-1])
    return rows[first], grams[first]


class Postings:
    """From the hash of a gram to the rows that hold it; common grams are left out of the postings.

    `common` `[K]` are the hashes held by more than `most` rows.
    """

    def __init__(self, rows: NDArray[np.int64], grams: NDArray[np.uint64], most: int):
        rows, grams = distinct_pairs(rows, grams)
        keys, counts = np.unique(grams, return_counts=True)
        self.common = keys[counts > most]
        kept = np.repeat(counts <= most, counts)
        self.rows, self.keys, self.counts = rows[kept], keys[counts <= most], counts[counts <= most]
        self.starts = np.concatenate([[0], np.cumsum(self.counts)])[:-1]
        bits = min(28, max(16, int(64 * max(1, len(self.keys))).bit_length()))
        self.shift = np.uint64(64 - bits)
        self.seen = np.zeros(2**bits, bool)
        self.seen[self.keys >> self.shift] = True

    def find(self, rows: NDArray[np.int64], grams: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs (row asked, row that holds the gram), one per gram asked and row that holds it."""
        maybe = np.flatnonzero(self.seen[grams >> self.shift])
        rows, grams = rows[maybe], grams[maybe]
        at = np.searchsorted(self.keys, grams)
        hit = np.flatnonzero(self.keys[np.minimum(at, len(self.keys) - 1)] == grams)
        at, rows = at[hit], rows[hit]
        counts = self.counts[at]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(rows, counts), self.rows[np.repeat(self.starts[at], counts) + within]


def count_pairs(left: NDArray[np.int64], right: NDArray[np.int64], num_right: int) -> tuple[NDArray[np.int64], ...]:
    """Distinct pairs `(left, right)` and how often each occurs."""
    keys, counts = np.unique(left * np.int64(num_right) + right, return_counts=True)
    return keys // num_right, keys % num_right, counts
