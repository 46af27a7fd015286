"""How many planted copies of a benchmark are found in its training set, and how many clean rows are flagged.

    python benchmarks/decontamination.py [--data DIR] [--planted 300]

Takes GSM8K (DIR holds train.jsonl and test.jsonl; default: the variable RLPIPE_TEST_DATA), plants copies of test
questions among the training questions, each kind of edit by itself, and prints a table. A copy is found if its pair is
`drop` or `review`; `template` (same wording, other numbers) is counted apart. Training rows as they come are the clean
ones, but for those that share a template with a test row. Asked for: exact copies 0.99, edited ones 0.90, at most 1 %
of clean rows. The last kind is a control: other numbers in the same words must come out as `template`.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from rlpipe.curate.files.texts import TextFile, batches
from rlpipe.overlap import normalize
from rlpipe.overlap.scan import Scan, index_of

DECISIONS = ("drop", "review", "template")
Edit = Callable[[str, random.Random], str]
SYNONYMS = {
    "buys": "purchases", "bought": "purchased", "has": "owns", "each": "every", "total": "overall", "makes": "produces",
    "many": "numerous", "gives": "hands", "per": "every", "costs": "is priced at", "wants": "wishes", "needs": "requires",
    "left": "remaining", "day": "workday", "children": "kids", "friends": "pals", "money": "cash", "more": "additional",
    "if": "when", "and": "plus", "how": "just how", "then": "afterwards", "spends": "pays", "goes": "travels",
    "house": "home", "week": "seven-day week", "sells": "vends", "get": "receive", "big": "large", "small": "little",
}  # fmt: skip
SPELLED = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
NAMES = ["Alex", "Maria", "Chen", "Fatima", "Olu", "Priya"]
FILLER = ["Read carefully.", "Here is a puzzle.", "Think about the following story.", "This one is about daily life."]
_WORD = re.compile(r"[A-Za-z]+")


def punctuation(text: str, rng: random.Random) -> str:
    """Commas and apostrophes gone, full stops turned into semicolons, question marks doubled."""
    return text.replace(",", "").replace("'", "").replace(". ", "; ").replace("?", "??")


def case(text: str, rng: random.Random) -> str:
    """All capitals or none."""
    return text.upper() if rng.random() < 0.5 else text.lower()


def spacing(text: str, rng: random.Random) -> str:
    """Line breaks between sentences, two spaces elsewhere here and there."""
    return re.sub(" ", lambda m: "  " if rng.random() < 0.2 else " ", text.replace(". ", ".\n"))


def swapped(text: str, rng: random.Random) -> str:
    """Two pairs of neighbouring words change places."""
    words = text.split()
    for _ in range(2):
        i = rng.randrange(len(words) - 1)
        words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def synonyms(text: str, rng: random.Random) -> str:
    """Up to three words replaced by others of like meaning."""
    places = [m for m in _WORD.finditer(text) if m.group().lower() in SYNONYMS]
    for m in sorted(rng.sample(places, min(3, len(places))), key=lambda m: -m.start()):
        text = text[: m.start()] + SYNONYMS[m.group().lower()] + text[m.end() :]
    return text


def renamed(text: str, rng: random.Random) -> str:
    """The first capitalised word that is no sentence start, or else the first word, becomes another name throughout."""
    names = [m.group() for m in _WORD.finditer(text) if m.group()[0].isupper()]
    repeated = [name for name in names if names.count(name) > 1 and len(name) > 3] or names[:1]
    return re.sub(rf"\b{repeated[0]}\b", rng.choice(NAMES), text) if repeated else text


def dropped(text: str, rng: random.Random) -> str:
    """A clause of few words without numbers left out."""
    clauses = re.split(r"(?<=[,.;])\s+", text)
    plain = [i for i, c in enumerate(clauses[:-1]) if not normalize.spelled_numbers(c) and len(c.split()) <= 12]
    if plain:
        clauses.pop(rng.choice(plain))
    return " ".join(clauses)


def filled(text: str, rng: random.Random) -> str:
    """A sentence put in front, and one in the middle."""
    sentences = re.split(r"(?<=[.?!])\s+", text)
    sentences.insert(len(sentences) // 2, rng.choice(FILLER))
    return " ".join([rng.choice(FILLER), *sentences])


def spelled(text: str, rng: random.Random) -> str:
    """Numbers up to twelve written as words, larger ones with separators."""

    def write(m: re.Match[str]) -> str:
        value = int(m.group())
        return SPELLED[value] if value < len(SPELLED) else f"{value:,}"

    return re.sub(r"(?<![\d.,/])\d+(?![\d.,/%])", write, text)


def mixed(text: str, rng: random.Random) -> str:
    """Three of the edits, one after the other."""
    for edit in rng.sample([punctuation, case, swapped, synonyms, renamed, dropped, filled], 3):
        text = edit(text, rng)
    return text


def renumbered(text: str, rng: random.Random) -> str:
    """Every number becomes another one: not a copy, but another instance of the same problem."""
    return re.sub(r"\d+", lambda m: str(int(m.group()) + rng.randint(1, 9)), text)


CONTROL = "numbers changed"
EDITS: dict[str, Edit] = {
    "exact": lambda text, rng: text,
    "punctuation": punctuation,
    "case": case,
    "spacing": spacing,
    "words swapped": swapped,
    "synonyms": synonyms,
    "renamed": renamed,
    "clause dropped": dropped,
    "sentences added": filled,
    "numbers spelled": spelled,
    "three edits": mixed,
    CONTROL: renumbered,
}


def plant(evaluation: pl.DataFrame, planted: int, seed: int) -> pl.DataFrame:
    """`planted` copies of evaluation rows for every kind of edit, as a batch of training texts.

    Ids are `<kind>|<evaluation id>`; a copy that an edit leaves as it was is not planted.
    """
    rows = []
    for kind, edit in EDITS.items():
        rng = random.Random(f"{seed} {kind}")
        for name, _, text, _ in rng.sample(evaluation.rows(), planted):
            copy = edit(text, rng)
            if kind == "exact" or copy != text:
                rows.append((f"{kind}|{name}", "planted", copy, None))
    return pl.DataFrame(rows, schema=evaluation.schema, orient="row")


def flagged(train: list[pl.DataFrame], evaluation: pl.DataFrame) -> pl.DataFrame:
    """The flagged pairs: train_id, train_set, decision, and whether the pair is a copy with its own original."""
    scan = Scan(index_of([evaluation]))
    rows = []
    for pair in scan.pairs(train):
        origin = pair.train_id.partition("|")[2]
        own = origin in {name for _, name in scan.index.texts[pair.evaluation].rows}
        rows.append((pair.train_id, pair.train_set, pair.finding.decision, own))
    return pl.DataFrame(rows, schema=["train_id", "train_set", "decision", "own"], orient="row")


def recalls(pairs: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """A row per kind of edit: copies planted, copies by decision, and the share that is `drop` or `review`."""
    found = pairs.filter(pl.col("own")).with_columns(edit=pl.col("train_id").str.split("|").list.first())
    counts = {(edit, decision): n for edit, decision, n in found.group_by("edit", "decision").len().iter_rows()}
    rows = []
    for edit in EDITS:
        planted = copies["id"].str.starts_with(f"{edit}|").sum()
        by = {decision: counts.get((edit, decision), 0) for decision in DECISIONS}
        rows.append({"edit": edit, "planted": planted, **by, "recall": (by["drop"] + by["review"]) / planted})
    return pl.DataFrame(rows)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--data", type=Path, default=None, help="folder with GSM8K's train.jsonl and test.jsonl")
    arguments.add_argument("--planted", type=int, default=300, help="copies of each kind")
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    data = options.data or Path(os.environ.get("RLPIPE_TEST_DATA", "data"), "gsm8k")
    if not (data / "test.jsonl").is_file():
        sys.exit(f"{data}/test.jsonl is not there: give --data a folder with GSM8K's train.jsonl and test.jsonl")
    started = time.monotonic()
    train = list(batches(TextFile(data / "train.jsonl")))
    evaluation = pl.concat(batches(TextFile(data / "test.jsonl")))
    copies = plant(evaluation, options.planted, options.seed)
    pairs = flagged([*train, copies], evaluation)
    table = recalls(pairs, copies)
    with pl.Config(tbl_rows=20, float_precision=3):
        print(table)
    edited = table.filter(~pl.col("edit").is_in(["exact", CONTROL]))
    recall = (edited["drop"].sum() + edited["review"].sum()) / edited["planted"].sum()
    print(f"exact copies: recall {table['recall'][0]:.3f} (asked for: 0.99)")
    print(f"edited copies: recall {recall:.3f} (asked for: 0.90)")
    natural = pairs.filter(pl.col("train_set") != "planted")
    alarms = set(natural.filter(pl.col("decision") != "template")["train_id"])
    templates = set(natural["train_id"]) - alarms
    total = sum(len(frame) for frame in train)
    print(f"clean rows flagged: {len(alarms)} of {total - len(templates)} (at most 1 %)")
    print(f"rows that share a template with a test row, told apart: {len(templates)} of {total}")
    print(f"{time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
