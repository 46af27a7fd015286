"""Curation, front to back: load, verify references, one row per prompt, split, decontaminate, demonstrate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlpipe import artifacts
from rlpipe.curate.decontaminate import Decontaminated, decontaminate
from rlpipe.curate.duplicates import Deduplicated, deduplicate
from rlpipe.curate.files.records import Record
from rlpipe.curate.item import Rejected
from rlpipe.curate.lengths import Lengths, fitting, short_demonstrations
from rlpipe.curate.references import Checked, check, demonstrations
from rlpipe.curate.settings import SPLITS, CurateSettings
from rlpipe.curate.sources import load
from rlpipe.curate.splits import split_of
from rlpipe.overlap.pair_rows import in_words
from rlpipe.overlap.paraphrase.search import ParaphraseSearch


@dataclass(frozen=True)
class Curated:
    """The rows of each table, in their order, and the summary."""

    prompts: list[Record]
    demonstrations: list[Record]
    rejected: list[Record]
    summary: dict[str, Any]


def curate(settings: CurateSettings, lengths: Lengths | None = None) -> Curated:
    """All of it, in memory; nothing is written. `lengths`: of the model to be trained; without, none is too long.

    Raises: RowError for a malformed file or row; ValueError for a source that cannot give what is asked of it;
    VerifierFailing when a verifier cannot judge its own reference answers; ModelError for a model of
    `decontamination.paraphrases` that cannot be loaded, before anything else.
    """
    asked = settings.decontamination.paraphrases
    paraphrases = None if asked is None else ParaphraseSearch.load(asked)
    loaded = load(settings)
    checked = check(loaded.items, settings.seed, settings.max_verifier_errors)
    short = fitting(checked.items, lengths, settings.too_long)
    unique = deduplicate(short.items, settings.near_duplicates)
    splits = {item.id: split_of(item.id, item.splits, settings.fractions, settings.seed) for item in unique.items}
    clean = decontaminate(unique.items, splits, settings.decontamination, paraphrases)
    shown = [item for item in clean.items if splits[item.id] == "demonstration"]
    worked, without = demonstrations(shown, settings.demonstrations, settings.seed)
    worked, long = short_demonstrations(worked, lengths, settings.too_long)
    left_out = [*loaded.rejected, *checked.rejected, *short.rejected, *unique.rejected, *clean.rejected]
    prompts = [{**item.row, "split": splits[item.id]} for item in clean.items]
    summary = _summary(left_out, checked, unique, clean, prompts)
    summary["demonstrations"] = {"prompts": len(shown) - without, "responses": len(worked), "without": without}
    summary["demonstrations"] |= {"too_long": long}
    summary["longest_left_out"] = short.longest
    return Curated(prompts, worked, [row.row() for row in _sorted(left_out)], summary)


def write(curated: Curated, out: Path) -> None:
    """The files of the artifact: prompts, demonstrations, rejected, summary."""
    artifacts.write(out / "prompts.parquet", artifacts.PROMPTS, curated.prompts)
    artifacts.write(out / "demonstrations.parquet", artifacts.DEMONSTRATIONS, curated.demonstrations)
    artifacts.write(out / "rejected.parquet", artifacts.REJECTED, curated.rejected)
    artifacts.write_json(out / "summary.json", curated.summary)


def _sorted(left_out: Sequence[Rejected]) -> list[Rejected]:
    return sorted(left_out, key=lambda r: (r.stage, r.prompt_id or "", r.data_source, r.place))


def _summary(
    left_out: Sequence[Rejected],
    checked: Checked,
    unique: Deduplicated,
    clean: Decontaminated,
    prompts: Sequence[Record],
) -> dict[str, Any]:
    """Counts: what came in, what was left out by stage and reason, what stays by split, source and level."""
    return {
        "rows": {"read": len(prompts) + len(left_out), "kept": len(prompts), "rejected": len(left_out)},
        "rejected": _tree((r.stage, _kind(r)) for r in left_out),
        "rejected_by_source": _tree((r.data_source, r.stage) for r in left_out),
        "splits": {name: sum(p["split"] == name for p in prompts) for name in SPLITS},
        "sources": _tree((p["data_source"], p["split"]) for p in prompts),
        "levels": _tree((p["data_source"], p["difficulty"] or "", p["split"]) for p in prompts),
        "references": dict(sorted(checked.statuses.items())),
        "near_duplicates_within_benchmarks": unique.near_kept,
        "overlap": clean.overlap,
    }


def _kind(row: Rejected) -> str:
    """The reason without the numbers of the row."""
    return row.reason.partition(":")[0]


def _tree(paths: Iterable[tuple[str, ...]]) -> dict[str, Any]:
    """Counts of paths as nested dictionaries with sorted keys."""
    tree: dict[str, Any] = {}
    for path, count in sorted(Counter(paths).items()):
        node = tree
        for name in path[:-1]:
            node = node.setdefault(name, {})
        node[path[-1]] = count
    return tree


def describe(summary: dict[str, Any]) -> str:
    """The summary in a few lines, for the log."""
    rows, splits = summary["rows"], summary["splits"]
    lines = [
        f"{rows['read']} rows read, {rows['kept']} prompts kept, {rows['rejected']} left out",
        "splits: " + ", ".join(f"{name} {count}" for name, count in splits.items()),
    ]
    for stage, reasons in summary["rejected"].items():
        lines.append(f"left out, {stage}: " + ", ".join(f"{reason} {count}" for reason, count in reasons.items()))
    if summary["longest_left_out"]:
        lines.append(f"too long for model and response: {summary['longest_left_out']}")
    if long := summary["demonstrations"]["too_long"]:
        lines.append(f"demonstrations too long for the model, left out: {long}")
    for name, found in summary["overlap"].items():
        decisions = ", ".join(f"{decision} {count}" for decision, count in found["n_by_decision"].items())
        lines.append(f"overlap with {name}: {found['n_clean']} of {found['n_eval']} clean; {decisions}")
        if "embedding" in found:
            lines.append(f"paraphrases of {name}: {in_words(found['embedding'])}")
    return "\n".join(lines)
