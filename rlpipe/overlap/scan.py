"""One pass over training texts against an index of evaluation texts: the pairs that overlap, and counts on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from rlpipe.overlap.compare import Finding, Overlap, TrainText, compare, decide
from rlpipe.overlap.index import EvalIndex
from rlpipe.overlap.paraphrase.nearest import Nearest
from rlpipe.overlap.paraphrase.search import ParaphraseSearch
from rlpipe.overlap.thresholds import OverlapThresholds

Span = tuple[int, int]  # first word and number of words, in the evaluation text


@dataclass(frozen=True)
class Pair:
    """A flagged pair. `evaluation` numbers a text of the index, which may stand in several evaluation rows.

    `answer` is that of the judge of paraphrases: yes, no, unknown, or none where there is no judge; null in other stages.
    """

    train_id: str
    train_set: str
    evaluation: int
    overlap: Overlap
    finding: Finding
    answer: str | None = None


class Scan:
    """One pass over training texts against an index; what it has counted is complete once `pairs` is exhausted.

    With `paraphrases`, the pairs found by embeddings come last: `nearest` are complete after the last training text.
    """

    def __init__(self, index: EvalIndex, paraphrases: ParaphraseSearch | None = None):
        self.index, self.paraphrases = index, paraphrases
        self.nearest = paraphrases.nearest(index.texts) if paraphrases else None
        self.answers: dict[int, Counter[str]] = {}
        self.num_train = 0
        self.findings: dict[int, Counter[tuple[str, str]]] = {}
        self._shared: dict[int, Counter[tuple[Span, ...]]] = {}
        self._exact: Counter[int] = Counter()

    def pairs(self, train: Iterable[pl.DataFrame]) -> Iterator[Pair]:
        """Flagged pairs in the order of the training rows, then of the evaluation texts; paraphrases by the latter."""
        for frame in train:
            candidates = self.index.candidates(frame["text"], frame["key"].to_list())
            self.num_train += len(frame)
            flagged: set[tuple[int, int]] = set()
            for row, pair in self._compared(frame, candidates.tolist()):
                flagged.add((row, pair.evaluation))
                yield pair
            if self.nearest is not None:
                self.nearest.add(frame, flagged)
        if self.paraphrases is not None and self.nearest is not None:
            yield from self._paraphrased(self.paraphrases, self.nearest)

    def _compared(self, frame: pl.DataFrame, candidates: Sequence[Sequence[int]]) -> Iterator[tuple[int, Pair]]:
        last, text, train_set = -1, TrainText("", ""), ""
        for row, evaluation in candidates:
            if row != last:
                identity, train_set, content, key = frame.row(row)
                last, text = row, TrainText(identity, content, key)
            overlap = compare(text, self.index.texts[evaluation])
            self._count(evaluation, overlap)
            finding = decide(overlap, self.index.thresholds)
            if finding is not None:
                self.findings.setdefault(evaluation, Counter())[finding.decision, finding.method] += 1
                yield row, Pair(text.id, train_set, evaluation, overlap, finding)

    def _paraphrased(self, search: ParaphraseSearch, nearest: Nearest) -> Iterator[Pair]:
        for evaluation, near, answer in search.judged(nearest, self.index.texts):
            overlap = compare(TrainText(near.train_id, near.text, near.key), self.index.texts[evaluation])
            finding = search.decide(near, answer, overlap.same_numbers)
            word = "none" if answer is None else answer.word
            self.answers.setdefault(evaluation, Counter())[word] += 1
            if finding.decision != "keep":
                self.findings.setdefault(evaluation, Counter())[finding.decision, finding.method] += 1
            yield Pair(near.train_id, near.train_set, evaluation, overlap, finding, word)

    def _count(self, evaluation: int, overlap: Overlap) -> None:
        if overlap.runs:
            spans = tuple(sorted({(run.evaluation, run.words) for run in overlap.runs}))
            self._shared.setdefault(evaluation, Counter())[spans] += 1
        self._exact[evaluation] += overlap.exact

    def train_count(self, evaluation: int, span: Span | None) -> int | None:
        """Number of training rows that hold these words of the evaluation text; of the whole text where span is None.

        Every row that holds the span has a candidate pair, so the count is of all rows, flagged or not.
        """
        if span is None:
            return self._exact[evaluation] or None
        first, end = span[0], span[0] + span[1]
        rows = self._shared.get(evaluation, Counter())
        return sum(n for spans, n in rows.items() if any(a <= first and end <= a + w for a, w in spans))


def index_of(frames: Iterable[pl.DataFrame], thresholds: OverlapThresholds | None = None) -> EvalIndex:
    """The index of evaluation texts given as batches of `texts`; each value of `set` is an evaluation set."""
    sets: dict[str, list[tuple[str, str, str | None]]] = {}
    for frame in frames:
        for identity, name, text, key in frame.iter_rows():
            sets.setdefault(name, []).append((identity, text, key))
    return EvalIndex(sets, thresholds)
