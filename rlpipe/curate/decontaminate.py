"""Training prompts that the test split holds already: found by `overlap`, left out on the training side only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from rlpipe.curate.files.texts import ROWS
from rlpipe.curate.item import Item, Rejected, rejected
from rlpipe.curate.settings import Decontamination
from rlpipe.overlap.compare import span
from rlpipe.overlap.eval_text import EvalText
from rlpipe.overlap.pair_rows import GRAVITY, summary_rows
from rlpipe.overlap.paraphrase.search import ParaphraseSearch
from rlpipe.overlap.scan import Pair, Scan, index_of
from rlpipe.overlap.thresholds import OverlapThresholds


@dataclass(frozen=True)
class Decontaminated:
    """Items of all splits that stay, those left out, and what was found by evaluation set."""

    items: list[Item]
    rejected: list[Rejected]
    overlap: dict[str, dict[str, Any]]


def decontaminate(
    items: Sequence[Item],
    splits: Mapping[str, str],
    settings: Decontamination,
    paraphrases: ParaphraseSearch | None = None,
) -> Decontaminated:
    """Compare everything outside the test split with the test split; `splits` maps ids to splits.

    The summary counts what was found before anything was left out.
    """
    test = [item for item in items if splits[item.id] == "test"]
    train = [item for item in items if splits[item.id] != "test"]
    if not test or not train:
        return Decontaminated(list(items), [], {})
    thresholds = OverlapThresholds(**{name: getattr(settings, name) for name in OverlapThresholds.model_fields})
    scan = Scan(index_of([_frame(test)], thresholds), paraphrases)
    holders = _holders(train)
    gravest: dict[str, Pair] = {}
    for pair in scan.pairs(_frame(train[i : i + ROWS]) for i in range(0, len(train), ROWS)):
        if pair.finding.decision != "keep":
            for name in holders[pair.train_id] if pair.finding.method == "embedding" else [pair.train_id]:
                gravest[name] = min(pair, gravest.get(name, pair), key=_gravity)
    dropped = {name: pair for name, pair in gravest.items() if _is_dropped(pair, settings)}
    return Decontaminated(
        items=[item for item in items if splits[item.id] == "test" or item.id not in dropped],
        rejected=[_rejected(item, dropped[item.id], scan.index.texts) for item in train if item.id in dropped],
        overlap={row["eval_set"]: row["info"] for row in summary_rows(scan)},
    )


def _holders(items: Sequence[Item]) -> dict[str, list[str]]:
    """Ids of the items with the same text, by id: a pair by embeddings names the first of them for all."""
    by_text: dict[str, list[str]] = {}
    for item in items:
        by_text.setdefault(item.text, []).append(item.id)
    return {item.id: by_text[item.text] for item in items}


def _frame(items: Sequence[Item]) -> pl.DataFrame:
    rows = [(item.id, item.source, item.text, item.key) for item in items]
    return pl.DataFrame(rows, schema=dict.fromkeys(("id", "set", "text", "key"), pl.String), orient="row")


def _gravity(pair: Pair) -> tuple[int, float, int]:
    return GRAVITY.index(pair.finding.decision), -pair.finding.score, pair.evaluation


def _is_dropped(pair: Pair, settings: Decontamination) -> bool:
    policy = {"drop": "drop", "review": settings.review, "template": settings.template}
    return policy[pair.finding.decision] == "drop"


def _rejected(item: Item, pair: Pair, texts: Sequence[EvalText]) -> Rejected:
    found, evaluation = pair.finding, texts[pair.evaluation]
    reason = f"{found.decision}, {found.method}: {found.reason}"
    shared = span(pair.overlap, evaluation)
    return rejected(item, "decontaminate", reason, min(name for _, name in evaluation.rows), found.score, shared)
