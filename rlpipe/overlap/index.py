"""The evaluation texts, indexed so that a stream of training texts finds those it may overlap with.

The evaluation side is the small one: it is held in memory, training texts pass by in batches. `candidates` finds every
pair that a rule of `overlap` could flag; only those are compared word by word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rlpipe.overlap.eval_text import EvalText, View
from rlpipe.overlap.short_index import ShortIndex
from rlpipe.overlap.thresholds import OverlapThresholds
from rlpipe.overlap.view_index import ViewIndex
from rlpipe.overlap.word_hashes import Postings, sequence_hashes, word_hashes

VIEWS: tuple[View, ...] = ("n1", "n2")


class EvalIndex:
    """All evaluation texts; `texts[i]` is the text that candidates number `i`.

    `sets` maps the name of each evaluation set to its rows (id, text, key): `key` names a procedural problem, and is
    None for every other text.
    """

    def __init__(
        self, sets: Mapping[str, Iterable[tuple[str, str, str | None]]], thresholds: OverlapThresholds | None = None
    ):
        self.thresholds = thresholds or OverlapThresholds()
        rows: dict[tuple[str, str | None], list[tuple[str, str]]] = {}
        for name, members_of_set in sets.items():
            for identity, text, key in members_of_set:
                rows.setdefault((text, None) if key is None else ("", key), []).append((name, identity))
        self.texts = [EvalText(text, tuple(r), self.thresholds, key) for (text, key), r in rows.items()]
        self.keys: dict[str | None, int] = {text.key: i for i, text in enumerate(self.texts) if text.key is not None}
        compared = [i for i, text in enumerate(self.texts) if text.key is None]
        self.views = [
            ViewIndex(self.texts, members, view, self.thresholds)
            for view in VIEWS
            if (members := [i for i in compared if self.texts[i].view == view])
        ]
        for view in self.views:
            for i, common in view.boilerplate().items():
                self.texts[i] = replace(self.texts[i], boilerplate=common)
        sequences = sequence_hashes(word_hashes([self.texts[i].text for i in compared], "n1"))
        self.sequences = Postings(np.asarray(compared, np.int64), sequences, most=len(self.texts))
        self.short = ShortIndex(self.texts, self.thresholds.lcs_drop)

    def candidates(self, texts: pl.Series, keys: Sequence[str | None]) -> NDArray[np.int64]:
        """Pairs `[P, 2]` of (row of the batch, number of an evaluation text) worth comparing, sorted.

        Complete for the exact, n-gram and Jaccard rules, but for wording that more evaluation texts share than
        `boilerplate_share`; what the rule for short texts looks at is said in `short_index`.
        """
        plain = word_hashes(texts, "n1")
        found = [self.sequences.find(np.arange(len(texts)), sequence_hashes(plain))]
        for view in self.views:
            found.append(view.candidates(plain if view.view == "n1" else word_hashes(texts, "n2")))
        if len(self.short.members):
            found.append(self.short.candidates(texts, plain))
        known = [row for row, key in enumerate(keys) if key in self.keys]
        found.append((np.asarray(known, np.int64), np.asarray([self.keys[keys[row]] for row in known], np.int64)))
        pairs = np.stack([np.concatenate(side) for side in zip(*found, strict=True)], axis=1)
        return np.unique(pairs, axis=0)
