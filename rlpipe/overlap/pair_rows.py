"""Overlaps as rows of schema contamination/1; no clock enters, so equal inputs give equal bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from rlpipe.artifacts import CONTAMINATION, TableWriter
from rlpipe.overlap import normalize
from rlpipe.overlap.compare import measures, span
from rlpipe.overlap.eval_text import EvalText
from rlpipe.overlap.paraphrase.nearest import DIGITS
from rlpipe.overlap.scan import Pair, Scan, Span

GRAVITY = ("drop", "review", "template")
ROWS = 2_000


def write_rows(out: Path, scan: Scan, pairs: Iterable[Pair]) -> None:
    """Pairs, then summaries, in bounded memory.

    How many training rows hold a span is known only at the end, so pairs wait in a file beside `out`.
    """
    waiting = out.with_name(out.name + ".pairs")
    spans: dict[tuple[int, Span | None], int] = {}
    try:
        with TableWriter(waiting, CONTAMINATION) as writer:
            for rows in _chunks(row for pair in pairs for row in pair_rows(pair, scan, spans)):
                writer.write(rows)
        counts = pl.Series([scan.train_count(*key) for key in spans], dtype=pl.Int32)
        with TableWriter(out, CONTAMINATION) as writer:
            for part in pq.ParquetFile(waiting, pre_buffer=False).iter_batches(batch_size=ROWS):
                frame = pl.DataFrame(pl.from_arrow(part))
                writer.write(frame.with_columns(counts.gather(frame["train_count"]).alias("train_count")))
            writer.write([{k: v for k, v in row.items() if k != "info"} for row in summary_rows(scan)])
    finally:
        waiting.unlink(missing_ok=True)


def _chunks(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) >= ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def pair_rows(pair: Pair, scan: Scan, spans: dict[tuple[int, Span | None], int]) -> Iterator[dict[str, Any]]:
    """One row per evaluation row that holds the text; `train_count` is the number of the span in `spans`, for now.

    Where a paraphrase shares no words in a row there is nothing to count.
    """
    evaluation, found, longest = scan.index.texts[pair.evaluation], pair.finding, pair.overlap.longest
    key = pair.evaluation, None if longest is None else (longest.evaluation, longest.words)
    said = {} if pair.answer is None else {"answer": pair.answer}
    uncounted = found.method == "embedding" and longest is None
    for eval_set, eval_id in evaluation.rows:
        yield _common(scan) | {
            "record_type": "pair",
            "method": found.method,
            "decision": found.decision,
            "reason": found.reason,
            "train_set": pair.train_set,
            "train_id": pair.train_id,
            "eval_set": eval_set,
            "eval_id": eval_id,
            "n": evaluation.shingle if found.method == "jaccard" else found.n,
            "score": found.score,
            "coverage": pair.overlap.coverage,
            "threshold": found.threshold,
            "direction": 1,
            "matched_span": span(pair.overlap, evaluation),
            "train_count": None if uncounted else spans.setdefault(key, len(spans)),
            "info_json": _json(measures(pair.overlap) | {"normaliser": evaluation.view} | said),
        }


def summary_rows(scan: Scan) -> list[dict[str, Any]]:
    """One row per evaluation set; `info` is what `info_json` says, as a dictionary.

    An evaluation row counts once for each method and decision that it has a pair of; it is clean without any pair, but
    for pairs that the judge of paraphrases lets be.
    """
    by_set: dict[str, list[tuple[int, EvalText]]] = {}
    for i, text in enumerate(scan.index.texts):
        for name, _ in text.rows:
            by_set.setdefault(name, []).append((i, text))
    return [_summary(scan, name, by_set[name]) for name in sorted(by_set)]


def _summary(scan: Scan, name: str, texts: list[tuple[int, EvalText]]) -> dict[str, Any]:
    found = [scan.findings.get(i, Counter()) for i, _ in texts]
    decisions = Counter(d for f in found for d in {decision for decision, _ in f})
    methods = Counter(m for f in found for m in {method for _, method in f})
    clean = sum(not f for f in found)
    info: dict[str, Any] = {
        "n_train": scan.num_train,
        "n_eval": len(texts),
        "n_clean": clean,
        "n_boilerplate": sum(bool(text.boilerplate) for _, text in texts),
        "n_by_decision": {name: decisions[name] for name in GRAVITY},
        "n_by_method": {name: methods[name] for name in ("exact", "ngram", "jaccard", "lcs")},
    }
    if scan.nearest is not None:
        info["n_by_method"] |= {"embedding": methods["embedding"]}
        info["embedding"] = _paraphrases(scan, [i for i, _ in texts])
    return _common(scan) | {
        "record_type": "summary",
        "method": "all",
        "decision": next((d for d in GRAVITY if decisions[d]), "clean"),
        "reason": f"{len(texts) - clean} of {len(texts)} evaluation rows overlap with a training row",
        "eval_set": name,
        "score": clean / len(texts),
        "info_json": _json(info),
        "info": info,
    }


def _paraphrases(scan: Scan, texts: Sequence[int]) -> dict[str, Any]:
    """Evaluation rows compared, pairs by answer, and how near the nearest texts are: what a threshold is chosen by."""
    said = sum((scan.answers.get(i, Counter()) for i in texts), Counter[str]())
    found = [near[0].cosine for i in texts if scan.nearest is not None and (near := scan.nearest.of(i))]
    levels = {"median": 0.5, "p90": 0.9, "max": 1.0}
    cosines = {name: round(float(np.quantile(found, q)), DIGITS) for name, q in levels.items()} if found else {}
    return {
        "compared": len(found),
        "pairs": {word: said[word] for word in ("yes", "no", "unknown", "none")},
        "nearest_cosine": cosines,
    }


def in_words(embedding: Mapping[str, Any]) -> str:
    """What a summary says of paraphrases (`embedding`), for the log."""
    titles = {"yes": "judged the same", "no": "judged different", "unknown": "unknown", "none": "not judged"}
    pairs = ", ".join(f"{n} {titles[word]}" for word, n in embedding["pairs"].items() if n)
    nearest = embedding["nearest_cosine"]
    cosines = ", ".join(f"{name} {nearest[name]:.3f}" for name in ("median", "p90", "max") if nearest)
    compared = f"{embedding['compared']} rows compared by embeddings"
    return f"{compared}; pairs: {pairs or 'none'}" + (f"; cosine of the nearest text: {cosines}" if cosines else "")


def _common(scan: Scan) -> dict[str, Any]:
    params = scan.index.thresholds.model_dump()
    if scan.paraphrases is not None:
        params["paraphrases"] = scan.paraphrases.settings.model_dump()
    return {"method_version": normalize.VERSION, "params_json": _json(params)}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)
