"""Altered copies of evaluation problems, by what was done to them and what becomes of them.

    python -m benchmarks.copies [--gsm8k DIR] [--rows 1000]

Every problem is altered in every way and put among the training problems; its row of the table says what is decided of
the pair. Then what is decided of different problems: GSM8K's training questions against its test questions where DIR
(or the variable RLPIPE_TEST_DATA) holds them, else each problem against the others. Problems of families are compared
by their words here; in the pipeline they are compared by their keys.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from benchmarks.alterations import COPIES, KINDS, NOT_COPIES, Neighbours
from rlpipe.overlap.scan import Scan, index_of
from rlpipe.statistics.proportion import mid_p
from rlpipe.tasks.catalogue import families, family

WORD_PROBLEMS = Path(__file__).with_name("paraphrases.jsonl")
DECISIONS = ("drop", "review", "template", "none")
BATCH = 20_000


def frame(rows: Sequence[tuple[str, str]]) -> pl.DataFrame:
    """(id, text) as a batch of texts."""
    values = [(name, "copies", text, None) for name, text in rows]
    return pl.DataFrame(values, schema=dict.fromkeys(("id", "set", "text", "key"), pl.String), orient="row")


def generated(each: int, seed: int = 0) -> list[str]:
    """Problems of every task family at its default levels, `each` of a family, without repeated texts."""
    found: dict[str, None] = {}
    for name in families():
        rng, module = random.Random(f"{seed} {name}"), family(name)
        for i in range(each):
            found[module.generate(rng, ("easy", "hard")[i % 2]).text] = None
    return list(found)


def field(path: Path, name: str, limit: int | None = None) -> list[str]:
    """One field of the first rows of a JSONL file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)[name] for line in lines[:limit]]


def decisions(problems: Sequence[str], seed: int = 0) -> dict[str, Counter[str]]:
    """Kind of alteration -> decision -> number of problems; a kind that leaves a problem as it is leaves it out."""
    rng, rows, planted = random.Random(seed), [], Counter[str]()
    for i, text in enumerate(problems):
        beside = Neighbours(problems, i, rng)
        for kind, alter in KINDS.items():
            copy = alter(text, beside)
            if kind == "verbatim" or copy != text:
                rows.append((f"{kind}|{i}", copy))
                planted[kind] += 1
    found = {kind: Counter[str]() for kind in KINDS}
    for kind, decision in _own(problems, rows):
        found[kind][decision] += 1
    for kind, counts in found.items():
        counts["none"] = planted[kind] - sum(counts.values())
    return found


def _own(problems: Sequence[str], rows: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(kind, decision) of each copy that is paired with its original."""
    scan = Scan(index_of([frame([(str(i), text) for i, text in enumerate(problems)])]))
    batches = (frame(rows[i : i + BATCH]) for i in range(0, len(rows), BATCH))
    for pair in scan.pairs(batches):
        kind, _, origin = pair.train_id.partition("|")
        if origin in {name for _, name in scan.index.texts[pair.evaluation].rows}:
            yield kind, pair.finding.decision


def alarms(train: Sequence[str], evaluation: Sequence[str]) -> tuple[Counter[str], int]:
    """Pairs of different texts by decision, and how many training texts have any that is `drop` or `review`."""
    scan = Scan(index_of([frame([(str(i), text) for i, text in enumerate(evaluation)])]))
    counts, rows = Counter[str](), set[str]()
    for pair in scan.pairs([frame([(str(i), text) for i, text in enumerate(train)])]):
        if not pair.overlap.exact:
            counts[pair.finding.decision] += 1
            if pair.finding.decision in ("drop", "review"):
                rows.add(pair.train_id)
    return counts, len(rows)


def table(found: Mapping[str, Counter[str]]) -> str:
    """Lines of Markdown: a row per kind, a column per decision, and the share found (`drop` or `review`)."""
    lines = ["| altered by | copies | drop | review | template | none | found |", "|---|---|---|---|---|---|---|"]
    for kind, counts in found.items():
        n = sum(counts.values())
        hit = counts["drop"] + counts["review"]
        low, high = (float(bound[0]) for bound in mid_p(hit, max(n, 1)))
        cells = " | ".join(str(counts[d]) for d in DECISIONS)
        lines.append(f"| {kind} | {n} | {cells} | {hit / max(n, 1):.3f} [{low:.3f}, {high:.3f}] |")
    return "\n".join(lines)


def report(title: str, problems: Sequence[str]) -> None:
    found = decisions(problems)
    print(f"\n{title}, {len(problems)} problems\n\n{table(found)}")
    for name, kinds in (("copies", COPIES), ("not copies", NOT_COPIES)):
        counts = sum((found[kind] for kind in kinds), Counter[str]())
        print(f"{name}: {(counts['drop'] + counts['review']) / sum(counts.values()):.4f} found")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--gsm8k", type=Path, default=None, help="folder with train.jsonl and test.jsonl")
    arguments.add_argument("--rows", type=int, default=1000, help="test questions that are altered")
    arguments.add_argument("--each", type=int, default=20, help="problems of each task family")
    options = arguments.parse_args()
    report("word problems", field(WORD_PROBLEMS, "problem"))
    report("task families", generated(options.each))
    folder = options.gsm8k or Path(os.environ.get("RLPIPE_TEST_DATA", "data"), "gsm8k")
    if not (folder / "test.jsonl").is_file():
        print(f"\nwithout GSM8K: {folder}/test.jsonl is not there; --gsm8k names its folder")
        return
    report("GSM8K test", field(folder / "test.jsonl", "question", options.rows))
    train, test = (field(folder / f"{name}.jsonl", "question") for name in ("train", "test"))
    counts, rows = alarms(train, test)
    print(f"\ndifferent problems, {len(train):,} training x {len(test):,} test questions: {dict(counts)}")
    print(f"training questions flagged as copies: {rows}")


if __name__ == "__main__":
    main()
