"""Seconds that `snakemake --cores all` takes when there is nothing to do: `python -m benchmarks.noop`.

Measured in a copy of this project with stages of milliseconds (tests/workflow_toy), so that only the machinery counts;
`--here` measures the project in the current folder instead. A table of medians is printed. What to expect: parameters,
plan and flags take 0.2 s of processor time; a test holds that torch and polars are not imported.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOME))

from tests.workflow_toy import ENVIRONMENT, create  # noqa: E402

COMMANDS = {
    "snakemake --version (its own start)": ["snakemake", "--version"],
    "snakemake --list-rules (parameters, plan, flags)": ["snakemake", "--list-rules"],
    "snakemake --cores all (nothing to do)": ["snakemake", "--cores", "all"],
    "python -m rlpipe.pipeline.stage (a standing artifact)": [
        sys.executable,
        "-m",
        "rlpipe.pipeline.stage",
        "results/sft.done",
    ],
}


def seconds(command: list[str], folder: Path) -> tuple[float, float]:
    """(passed, of processor time); the second does not depend on what else the machine does."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed in {folder}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--repeat", type=int, default=9, help="runs of each command")
    parser.add_argument("--here", action="store_true", help="measure the project in the current folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path.cwd()
        if not given.here:
            project = create(Path(scratch) / "project")
            project.snakemake()
            folder = project.path
        artifacts = len(list((folder / "results").rglob("*.done")))
        print(f"{artifacts} artifacts, {given.repeat} runs of each command; seconds")
        print(f"{'':52}{'median':>8}{'lowest':>8}{'processor':>11}")
        for name, command in COMMANDS.items():
            seconds(command, folder)
            taken = [seconds(command, folder) for _ in range(given.repeat)]
            passed, processor = zip(*taken, strict=True)
            print(f"{name:52}{statistics.median(passed):8.2f}{min(passed):8.2f}{statistics.median(processor):11.2f}")


if __name__ == "__main__":
    main()
