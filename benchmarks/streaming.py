"""How fast and in how much memory millions of training rows are compared with a benchmark.

    python benchmarks/streaming.py [--rows 2000000] [--eval FILE]

Writes a Parquet file of word problems (about 45 words each, drawn from a vocabulary with Zipf frequencies, every
hundredth a lightly edited evaluation row), streams it past the evaluation rows, and prints rows per second and peak
memory of the process. Without --eval the evaluation side is 1,319 rows of the same kind.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from itertools import islice, product
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rlpipe.curate.files.texts import TextFile, batches
from rlpipe.overlap.overlap import overlap

VOCABULARY, WORDS, PLANTED_EVERY = 20_000, 45, 100
CHUNK = 50_000
NAMES = ["".join(letters) for letters in islice(product("aeinorst", repeat=5), VOCABULARY)]


def texts(rng: np.random.Generator, count: int) -> list[str]:
    """Sentences of Zipf-distributed words and small numbers."""
    ranks = np.minimum(rng.zipf(1.2, size=(count, WORDS)), VOCABULARY) - 1
    numbers = rng.integers(2, 500, size=(count, 4))
    rows = []
    for row, given in zip(ranks, numbers, strict=True):
        words = [NAMES[rank] for rank in row]
        for place, number in zip((5, 14, 23, 32), given, strict=True):
            words[place] = str(number)
        rows.append(" ".join(words) + "?")
    return rows


def edited(text: str, rng: np.random.Generator) -> str:
    """The text with one word replaced."""
    words = text.split()
    words[int(rng.integers(len(words)))] = "another"
    return " ".join(words)


def write_train(path: Path, rows: int, evaluation: list[str], rng: np.random.Generator) -> int:
    """A file of `rows` rows in parts. Returns: how many of them are edited evaluation rows."""
    schema = pa.schema([("prompt_id", pa.string()), ("data_source", pa.string()), ("question", pa.string())])
    planted = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, rows, CHUNK):
            count = min(CHUNK, rows - first)
            questions = texts(rng, count)
            for i in range(0, count, PLANTED_EVERY):
                questions[i] = edited(evaluation[int(rng.integers(len(evaluation)))], rng)
                planted += 1
            names = [f"train-{first + i}" for i in range(count)]
            writer.write_table(pa.table([names, ["synthetic"] * count, questions], schema=schema))
    return planted


def peak_mib() -> float:
    """Largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rows", type=int, default=2_000_000)
    arguments.add_argument("--eval", type=Path, default=None, help="Parquet or JSONL; default: synthetic rows")
    options = arguments.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        train, evaluation = Path(folder, "train.parquet"), options.eval or Path(folder, "eval.parquet")
        if options.eval is None:
            pl.DataFrame({"question": texts(rng, 1319)}).write_parquet(evaluation)
        known = [text for frame in batches(TextFile(evaluation)) for text in frame["text"]]
        started = time.monotonic()
        planted = write_train(train, options.rows, known, rng)
        print(
            f"{options.rows:,} rows written in {time.monotonic() - started:.0f} s, {train.stat().st_size / 2**20:.0f} MiB"
        )
        before, started = peak_mib(), time.monotonic()
        cpu = time.process_time()
        out = Path(folder, "overlap.parquet")
        summary = overlap(batches(TextFile(train)), batches(TextFile(evaluation)), out)
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        peak = peak_mib()
        pairs = pl.read_parquet(out, columns=["record_type", "train_id", "decision"])
        pairs = pairs.filter(pl.col("record_type") == "pair")
        print(
            pl.DataFrame(
                {
                    "rows": [options.rows],
                    "seconds": [round(seconds, 1)],
                    "rows_per_second": [round(options.rows / seconds)],
                    "cpu_seconds": [round(cpu, 1)],
                    "peak_mib": [round(peak)],
                    "peak_mib_before": [round(before)],
                    "planted": [planted],
                    "flagged_rows": [pairs["train_id"].n_unique()],
                }
            )
        )
        for name, found in summary.items():
            print(f"{name}: {found}")


if __name__ == "__main__":
    main()
