"""How much the texts of one prompt repeat each other, by their n-grams of whitespace-separated words.

Every metric falls or rises with the number and the length of the texts: compare at equal n and equal `length` only.
`length` is in words, and texts are cut to their first `length` words; None leaves them whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from math import exp, log

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Gram = tuple[str, ...]
LENGTH = 256
BLEU_ORDERS = (1, 2, 3, 4)
EPSILON = 0.1  # count given to an order without any match


def ngrams(text: str, n: int, length: int | None = LENGTH) -> list[Gram]:
    """The n-grams of a text in order, with repeats; none if it has fewer than n words.

    Raises: ValueError for n < 1.
    """
    if n < 1:
        raise ValueError(f"n-grams: n = {n}, but it must be 1 or more")
    words = text.split()[:length]
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def distinct_group(texts: Sequence[str], n: int, length: int | None = LENGTH) -> float | None:
    """Different n-grams / all n-grams, pooled over the texts of a prompt; None without any.

    Source: Li et al. 2016, arXiv:1510.03055, distinct-n. Differs: texts are cut to one length, since it falls with it.
    """
    grams = [g for text in texts for g in ngrams(text, n, length)]
    return len(set(grams)) / len(grams) if grams else None


def ead(texts: Sequence[str], n: int, vocabulary: int, length: int | None = None) -> float | None:
    """Different n-grams / those expected of as many uniform draws: U / (V (1 - ((V - 1) / V)^T)); None without any.

    `vocabulary` V is that of the tokenizer; set too small, the value exceeds 1.

    Raises: ValueError for V < 1.
    Source: Liu et al. 2022, arXiv:2202.13587, expectation-adjusted distinct. Differs: none.
    """
    if vocabulary < 1:
        raise ValueError(f"ead: vocabulary = {vocabulary}, but it must be 1 or more; give the size of the tokenizer's")
    grams = [g for text in texts for g in ngrams(text, n, length)]
    if not grams:
        return None
    return len(set(grams)) / (vocabulary * (1.0 - (1.0 - 1.0 / vocabulary) ** len(grams)))


def self_bleu(texts: Sequence[str], length: int | None = LENGTH) -> float | None:
    """Mean over texts of BLEU-4 against all others; higher is less varied; None for fewer than two texts.

    An order without a match counts as `EPSILON` matches; a text that shares no word with the others has 0. Identical
    texts of fewer than 4 words therefore stay below 1.

    Source: Zhu et al. 2018, arXiv:1802.01886; smoothing 1 of Chen and Cherry 2014, as in nltk. Differs: none.
    """
    if len(texts) < 2:
        return None
    lengths = [len(text.split()[:length]) for text in texts]
    matched = [_clipped_matches([ngrams(t, n, length) for t in texts]) for n in BLEU_ORDERS]
    values = []
    for i, own in enumerate(lengths):
        if not matched[0][i]:
            values.append(0.0)
            continue
        shares = [(m[i] or EPSILON) / max(1, own - n + 1) for n, m in zip(BLEU_ORDERS, matched, strict=True)]
        closest = min((abs(other - own), other) for j, other in enumerate(lengths) if j != i)[1]
        penalty = 1.0 if own > closest else exp(1.0 - closest / own)
        values.append(penalty * exp(sum(map(log, shares)) / len(shares)))
    return sum(values) / len(values)


def _clipped_matches(grams: Sequence[Sequence[Gram]]) -> list[int]:
    """Per text, n-grams found in another text, each at most as often as the other text that has it most."""
    counts = [Counter(g) for g in grams]
    # The two largest counts of a gram and who has the largest: enough to leave one text out, without all pairs.
    most: dict[Gram, tuple[int, int, int]] = {}
    for i, own in enumerate(counts):
        for gram, count in own.items():
            first, holder, second = most.get(gram, (0, -1, 0))
            most[gram] = (count, i, first) if count > first else (first, holder, max(second, count))
    return [
        sum(min(count, most[g][2] if most[g][1] == i else most[g][0]) for g, count in own.items())
        for i, own in enumerate(counts)
    ]


def ngram_features(texts: Sequence[str], n: int, length: int | None = LENGTH) -> Float[Array, "N G"]:
    """Unit vectors of n-gram counts, one row per text, over the G n-grams of all.

    A text of fewer than n words counts as one gram, itself: like its copies and unlike everything else.
    """
    counts = [Counter(ngrams(t, n, length) or [tuple(t.split()[:length])]) for t in texts]
    column = {g: i for i, g in enumerate(dict.fromkeys(chain.from_iterable(counts)))}
    rows = np.zeros((len(texts), len(column)))
    for row, own in zip(rows, counts, strict=True):
        row[[column[g] for g in own]] = list(own.values())
        row /= np.linalg.norm(row)
    return rows
