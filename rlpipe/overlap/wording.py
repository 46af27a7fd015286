"""The words of a text with its numbers set apart: texts of one template have one wording and other numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from rlpipe.overlap import normalize
from rlpipe.overlap.similarity import Gram, Run, gram_runs, grams, places

SIGN = "0"  # stands for any number


def value(word: str) -> str | None:
    """The number that a word is, in digits; None for any other word."""
    return word if word[0].isdecimal() else normalize.SPELLED.get(word)


@dataclass(frozen=True)
class Wording:
    """The words of a text `[W]`; `values` `[W]` are its numbers, and `signs` `[W]` has a sign for each of them."""

    words: Sequence[str]

    @cached_property
    def values(self) -> list[str | None]:
        return [value(word) for word in self.words]

    @cached_property
    def signs(self) -> list[str]:
        return [word if number is None else SIGN for word, number in zip(self.words, self.values, strict=True)]

    def grams(self, n: int) -> list[Gram]:
        """n-grams in which any number equals any other; those of nothing but numbers are as they are written."""
        pairs = zip(grams(self.signs, n), grams(self.words, n), strict=True)
        return [written if set(signs) == {SIGN} else signs for signs, written in pairs]

    def numbers(self, without: Collection[int]) -> Counter[str]:
        """How often each number stands at a word that is not in `without`."""
        return Counter(number for i, number in enumerate(self.values) if number is not None and i not in without)


def worded(train: Wording, evaluation: Wording, found: Sequence[Run], n: int) -> list[Run]:
    """The runs that are evidence of one wording: of equal numbers, of n words with one number at most, or of the whole text."""

    def is_worded(run: Run) -> bool:
        here = evaluation.values[run.evaluation : run.evaluation + run.words]
        equal = here == train.values[run.train : run.train + run.words]
        return equal or here.count(None) >= n - 1 or run.words == len(evaluation.words)

    return [run for run in found if is_worded(run)]


def shared(train: Wording, evaluation: Wording, n: int) -> list[Run]:
    """The stretches of one wording that both texts hold, of at least n words."""
    return worded(train, evaluation, gram_runs(train.grams(n), places(evaluation.grams(n)), n), n)


def same_numbers(train: Wording, evaluation: Wording, found: Sequence[Run]) -> bool:
    """The number guard, inside what two texts share: whether the training text holds the evaluation text's own numbers.

    `found` are runs of one wording. Where two numbers of a run differ, the texts do, unless one of the two stands in a
    run of equal numbers as well: a copy beside another instance of its template is a copy. Of the numbers outside all
    runs one text must hold those of the other: a copy may have further text around it, or be a part. Without a run
    nothing says which text is a part, and the training text must hold all numbers of the evaluation text.

    Source: specification 2.4. Differs: there the numbers of whole texts are compared, and `17.` before a copy makes it an
    instance of its template.
    """
    inner = [part for run in found if (part := _inner(run, train, evaluation)).words]
    differing = {run: _differing(run, train, evaluation) for run in inner}
    equal = [run for run in inner if not differing[run]]
    here, there = _places(equal)
    if any(i not in here and j not in there for places in differing.values() for i, j in places):
        return False
    read_here, read_there = _places(inner)
    wanted, given = evaluation.numbers(read_here), train.numbers(read_there)
    return wanted <= given or (bool(inner) and given <= wanted)


def _inner(run: Run, train: Wording, evaluation: Wording) -> Run:
    """A run without numbers at its ends that differ: those it may have reached by chance, behind words in common.

    The ends of the evaluation text are no such places: nothing of it goes on there.
    """

    def differ(i: int) -> bool:
        here = run.evaluation + i
        return 0 < here < len(evaluation.words) - 1 and evaluation.values[here] != train.values[run.train + i]

    first, end = 0, run.words
    while first < end and differ(first):
        first += 1
    while end > first and differ(end - 1):
        end -= 1
    return Run(run.train + first, run.evaluation + first, end - first)


def _differing(run: Run, train: Wording, evaluation: Wording) -> list[tuple[int, int]]:
    """Places (evaluation, training) of a run at which the numbers differ."""
    places = ((run.evaluation + i, run.train + i) for i in range(run.words))
    return [(i, j) for i, j in places if evaluation.values[i] != train.values[j]]


def _places(found: Sequence[Run]) -> tuple[set[int], set[int]]:
    """Words of either text that lie in a run: of the evaluation text, of the training text."""
    here = {run.evaluation + i for run in found for i in range(run.words)}
    return here, {run.train + i for run in found for i in range(run.words)}
