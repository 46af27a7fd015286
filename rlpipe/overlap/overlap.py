"""Which training rows overlap with which evaluation rows: a table of pairs, and a summary per evaluation set.

Any Parquet files will do, with millions of training rows: the evaluation side is held in memory, the training side
streams by, and pairs go to disk as they are found.

Stages, in the order in which they decide of a pair: exact (same words, or same key of a procedural problem), n-gram
coverage, Jaccard on shingles, longest common subsequence for texts too short for either; then, where asked for, the
nearest of the other training texts by their embeddings (`paraphrases`).
Source: specification 2.4. Differs: pairs for the Jaccard rule come from an exact index of shingles, not from MinHash,
which would find 93 % of those at the threshold; MinHash serves where both sides are large (`duplicates`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from rlpipe.overlap.pair_rows import summary_rows, write_rows
from rlpipe.overlap.paraphrase.search import ParaphraseSearch
from rlpipe.overlap.scan import Scan, index_of
from rlpipe.overlap.thresholds import OverlapThresholds


def overlap(
    train: Iterable[pl.DataFrame],
    evaluation: Iterable[pl.DataFrame],
    out: Path,
    thresholds: OverlapThresholds | None = None,
    paraphrases: ParaphraseSearch | None = None,
) -> dict[str, dict[str, object]]:
    """Write `out` (schema contamination/1): a row per flagged pair, and a row per evaluation set.

    Both sides are batches of texts: frames with the columns id, set, text and key (`curate.files.texts.frames`).
    With `paraphrases` also those pairs, and in the summary `embedding`: evaluation rows compared, pairs by answer of the
    judge, and the cosines of the nearest texts. A training text that many rows hold is listed once there.

    Returns: the summary by evaluation set: n_eval, n_clean, n_flagged by method and by decision.
    Raises: ValueError if the evaluation side holds no row; whatever reading either side raises.
    """
    index = index_of(evaluation, thresholds)
    if not index.texts:
        raise ValueError("no evaluation rows: nothing to compare with; give a file of prompts that has some")
    scan = Scan(index, paraphrases)
    write_rows(out, scan, scan.pairs(train))
    return {row["eval_set"]: row["info"] for row in summary_rows(scan)}
