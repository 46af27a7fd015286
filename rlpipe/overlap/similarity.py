"""How alike two texts are, as sequences of words: shared n-grams, coverage, Jaccard, longest common subsequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Words = Sequence[str]
Gram = tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """Words that stand in both texts: `words` of them, from word `train` of one and word `evaluation` of the other."""

    train: int
    evaluation: int
    words: int


def grams(words: Words, n: int) -> list[Gram]:
    """The n-grams of consecutive words, in order `[W - n + 1]`; none when there are fewer than n words."""
    return list(zip(*(words[i:] for i in range(n)), strict=False))


def positions(words: Words, n: int) -> dict[Gram, list[int]]:
    """Where each n-gram begins."""
    return places(grams(words, n))


def places(all_grams: Sequence[Gram]) -> dict[Gram, list[int]]:
    """Where each of the n-grams stands among them."""
    found: dict[Gram, list[int]] = {}
    for i, gram in enumerate(all_grams):
        found.setdefault(gram, []).append(i)
    return found


def runs(train: Words, evaluation: Mapping[Gram, list[int]], n: int) -> list[Run]:
    """The maximal runs of at least n words that both texts share, given where the n-grams of the evaluation text begin.

    Returns: runs by their place in the evaluation text, the longer first where two begin together.
    """
    return gram_runs(grams(train, n), evaluation, n)


def gram_runs(train: Sequence[Gram], evaluation: Mapping[Gram, list[int]], n: int) -> list[Run]:
    """`runs`, given the n-grams of the training text instead of its words."""
    open_runs: dict[int, Run] = {}
    closed: list[Run] = []
    for i, gram in enumerate(train):
        still_open = {}
        for j in evaluation.get(gram, ()):
            run = open_runs.pop(i - j, None)
            still_open[i - j] = Run(i, j, n) if run is None else Run(run.train, run.evaluation, run.words + 1)
        closed += open_runs.values()
        open_runs = still_open
    closed += open_runs.values()
    return in_order(closed)


def in_order(found: Sequence[Run]) -> list[Run]:
    """Runs by their place in the evaluation text, the longer first where two begin together."""
    return sorted(found, key=lambda run: (run.evaluation, -run.words, run.train))


def equal_parts(run: Run, train: Words, evaluation: Words, n: int) -> Iterator[Run]:
    """The maximal parts of a run, of at least n words, in which both texts have equal words."""
    start = 0
    for i in range(run.words + 1):
        if i == run.words or train[run.train + i] != evaluation[run.evaluation + i]:
            if i - start >= n:
                yield Run(run.train + start, run.evaluation + start, i - start)
            start = i + 1


def coverage(found: Sequence[Run], num_words: int) -> float:
    """Share of the evaluation text's `num_words` words that lie in a run; 0 for an empty text.

    Source: specification 2.1.
    """
    marked = {word for run in found for word in range(run.evaluation, run.evaluation + run.words)}
    return len(marked) / num_words if num_words else 0.0


def jaccard(a: frozenset[Gram], b: frozenset[Gram]) -> float | None:
    """|a and b| / |a or b|; None where both are empty, as nothing was compared.

    Source: specification 2.1. Differs: text-dedup calls two empty sets equal.
    """
    if not a and not b:
        return None
    return len(a & b) / len(a | b)


def lcs_ratio(a: Words, b: Words) -> float:
    """Length of the longest common subsequence over the shorter length; 0 where one is empty.

    Source: specification 2.6.
    """
    if not a or not b:
        return 0.0
    previous = [0] * (len(b) + 1)
    for x in a:
        row = [0]
        for j, y in enumerate(b):
            row.append(previous[j] + 1 if x == y else max(previous[j + 1], row[j]))
        previous = row
    return previous[-1] / min(len(a), len(b))
