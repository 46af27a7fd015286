"""One training text against one evaluation text, word by word, and what is decided of the pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from rlpipe.overlap import normalize
from rlpipe.overlap.eval_text import EvalText, View
from rlpipe.overlap.similarity import (
    Run,
    coverage,
    equal_parts,
    gram_runs,
    grams,
    in_order,
    jaccard,
    lcs_ratio,
)
from rlpipe.overlap.thresholds import OverlapThresholds
from rlpipe.overlap.wording import Wording, same_numbers, worded

Decision = Literal["drop", "review", "template", "keep"]
Method = Literal["exact", "ngram", "jaccard", "lcs", "embedding"]
SPAN_CHARACTERS = 512


class TrainText:
    """A training text; its words are split once for all the evaluation texts it is compared with."""

    def __init__(self, identity: str, text: str, key: str | None = None):
        self.id, self.text, self.key = identity, text, key

    @cached_property
    def tokens(self) -> list[str]:
        return normalize.tokens(self.text)

    @cached_property
    def plain(self) -> Wording:
        return Wording(normalize.plain_words(self.text))

    @cached_property
    def formula(self) -> Wording:
        return Wording(normalize.formula_words(self.text))

    def wording(self, view: View) -> Wording:
        return self.formula if view == "n2" else self.plain


@dataclass(frozen=True)
class Overlap:
    """What a pair has in common; operators are compared where the words are equal.

    `runs` are shared words that are not wording common to the evaluation texts. In `coverage` any number equals any
    other; whether they are the same is said by `same_numbers`.
    """

    exact: bool
    same_numbers: bool
    same_operators: bool
    runs: tuple[Run, ...] = ()
    coverage: float = 0.0
    jaccard: float | None = None
    lcs: float | None = None

    @property
    def longest(self) -> Run | None:
        return max(self.runs, key=lambda run: (run.words, -run.evaluation, -run.train), default=None)


@dataclass(frozen=True)
class Finding:
    """The rule that decides of a pair: of those with the gravest outcome the first, in the order of `Method`."""

    decision: Decision
    method: Method
    n: int | None
    score: float
    threshold: float
    reason: str


def compare(train: TrainText, evaluation: EvalText) -> Overlap:
    """All the measures of a pair; a procedural problem is the same or is not, by its key.

    Source: specification 2.1 and 2.4. Differs: coverage looks past numbers, which the guard compares; a short text is also
    looked for as a whole, and its longest common subsequence is not asked of a text more than twice as long, since a
    short text is a subsequence of almost any long one.
    """
    if evaluation.key is not None:
        return Overlap(exact=train.key == evaluation.key, same_numbers=True, same_operators=True)
    wording = train.wording(evaluation.view)
    same_words = train.plain.words == evaluation.plain_words and bool(evaluation.plain_words)
    exact = same_words or normalize.folded(train.text) == normalize.folded(evaluation.text)
    n = evaluation.gram
    found = worded(wording, evaluation.wording, gram_runs(evaluation.grams(wording), evaluation.places, n), n)
    evident = _evidence(found, evaluation)
    parts = [p for run in evident for p in equal_parts(run, wording.words, evaluation.words, n)]
    return Overlap(
        exact=exact,
        same_numbers=same_numbers(wording, evaluation.wording, found),
        same_operators=not exact or _same_operators(train, evaluation),
        runs=tuple(in_order(parts)),
        coverage=coverage(evident, len(evaluation.words)),
        jaccard=jaccard(frozenset(grams(wording.words, evaluation.shingle)), evaluation.shingles),
        lcs=_lcs(train.tokens, evaluation) if evaluation.short else None,
    )


def _same_operators(train: TrainText, evaluation: EvalText) -> bool:
    """Of texts with equal words: whether the operators are equal, but for marks of lists and of emphasis around words."""
    if normalize.operators(train.text) == evaluation.operators:
        return True
    if not evaluation.operators:
        return not normalize.has_computation(train.text)
    n = len(evaluation.words)
    return tuple(evaluation.words) in grams(train.formula.words, n)


def _evidence(found: list[Run], evaluation: EvalText) -> list[Run]:
    """Runs that hold at least one n-gram which few evaluation texts have."""
    if not evaluation.boilerplate:
        return found
    n = evaluation.gram
    rare = [gram not in evaluation.boilerplate for gram in grams(evaluation.words, n)]
    return [run for run in found if any(rare[run.evaluation : run.evaluation + run.words - n + 1])]


def _lcs(tokens: list[str], evaluation: EvalText) -> float | None:
    other = normalize.tokens(evaluation.text)
    return lcs_ratio(tokens, other) if len(tokens) <= 2 * len(other) else None


def decide(overlap: Overlap, t: OverlapThresholds) -> Finding | None:
    """What becomes of the pair; None where no rule holds.

    With other numbers what would be dropped is of one template, and what would be reviewed is a phrase in common: nothing.

    Source: specification 2.4. Differs: there any pair with other numbers is of one template; texts with the same words
    and other operators (`2 + 2`, `2 * 2`) are of one template, as N1 cannot tell them apart.
    """
    finding = _gravest(overlap, t)
    if finding is None or (finding.decision == "review" and not overlap.same_numbers):
        return None
    if not overlap.same_numbers:
        return _template(finding, "other numbers")
    if finding.method == "exact" and not overlap.same_operators:
        return _template(finding, "other operators")
    return finding


def _template(finding: Finding, why: str) -> Finding:
    reason = f"same wording, {why}: {finding.reason}"
    return Finding("template", finding.method, finding.n, finding.score, finding.threshold, reason)


def _gravest(o: Overlap, t: OverlapThresholds) -> Finding | None:
    if o.exact:
        return Finding("drop", "exact", None, 1.0, 1.0, "the same text")
    n = t.coverage_ngram if o.longest is None else min(t.coverage_ngram, o.longest.words)
    if o.coverage >= t.coverage_drop:
        return Finding("drop", "ngram", n, o.coverage, t.coverage_drop, f"covers {o.coverage:.2f}")
    if o.jaccard is not None and o.jaccard >= t.jaccard_drop:
        return Finding("drop", "jaccard", None, o.jaccard, t.jaccard_drop, f"Jaccard {o.jaccard:.2f}")
    if o.lcs is not None and o.lcs >= t.lcs_drop and o.same_numbers:
        return Finding("drop", "lcs", None, o.lcs, t.lcs_drop, f"common subsequence {o.lcs:.2f}")
    if o.longest is not None and o.longest.words >= t.ngram:
        words = o.longest.words
        return Finding("review", "ngram", t.ngram, o.coverage, float(t.ngram), f"{words} words in a row")
    if o.coverage >= t.coverage_review:
        return Finding("review", "ngram", t.coverage_ngram, o.coverage, t.coverage_review, f"covers {o.coverage:.2f}")
    if o.jaccard is not None and o.jaccard >= t.jaccard_review:
        return Finding("review", "jaccard", None, o.jaccard, t.jaccard_review, f"Jaccard {o.jaccard:.2f}")
    return None


def span(overlap: Overlap, evaluation: EvalText) -> str | None:
    """The longest shared words, as the evaluation text has them under its normalisation; cut to 512 characters."""
    if overlap.longest is not None:
        run = overlap.longest
        return " ".join(evaluation.words[run.evaluation : run.evaluation + run.words])[:SPAN_CHARACTERS]
    return " ".join(evaluation.words)[:SPAN_CHARACTERS] if overlap.exact else None


def measures(overlap: Overlap) -> dict[str, Any]:
    """What else was measured of the pair, for `info_json`; offsets are words of either text."""
    longest = overlap.longest
    offsets = None if longest is None else {"train": longest.train, "eval": longest.evaluation, "words": longest.words}
    return {"span": offsets, "coverage": overlap.coverage, "jaccard": overlap.jaccard, "lcs": overlap.lcs}
