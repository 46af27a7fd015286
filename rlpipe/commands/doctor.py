"""`rlpipe doctor`: what an installation is fit for, each finding with its remedy beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rlpipe.pipeline.devices import visible
from rlpipe.pipeline.machine import machine

HOME = Path(__file__).resolve().parents[2]
GIB = 2**30
SHOWN = ("torch", "transformers", "snakemake", "dvc", "polars", "pyarrow")


@dataclass(frozen=True)
class Finding:
    """`problem` keeps something from working; `note` is worth knowing."""

    subject: str
    value: str
    state: Literal["ok", "note", "problem"] = "ok"
    remedy: str = ""


def doctor() -> None:
    """Versions, processors, accelerators, disk, parameters and DVC remote, with the remedy beside each problem."""
    found = list(findings())
    _show(found)
    raise typer.Exit(int(any(finding.state == "problem" for finding in found)))


def findings() -> Iterator[Finding]:
    """Everything there is to say, from the interpreter to the remote."""
    yield from _packages()
    yield from _processors()
    yield from _accelerators()
    yield from _storage()
    yield from _project()
    yield from _sharing()


def _packages() -> Iterator[Finding]:
    fits = sys.version_info >= (3, 11)
    yield Finding(
        "python",
        sys.version.split()[0],
        "ok" if fits else "problem",
        "" if fits else "rlpipe needs Python 3.11 or newer",
    )
    try:
        required = requires("rlpipe") or []
    except PackageNotFoundError:
        yield Finding("rlpipe", "runs from its folder, not installed", "note", "`pip install -e .` in the project")
        required = [*SHOWN]
    yield from (found for text in required if (found := _requirement(text)))
    try:
        yield Finding("vllm", version("vllm"))
    except PackageNotFoundError:
        yield Finding("vllm", "not installed", "note", "only on a GPU: `pip install -e '.[vllm]'` for faster sampling")


def _requirement(text: str) -> Finding | None:
    """A requirement of the package: always shown if it matters most, else only if it is not met."""
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return None
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        return Finding(requirement.name, "missing", "problem", f"`pip install '{text}'`")
    if not requirement.specifier.contains(installed, prereleases=True):
        return Finding(
            requirement.name, f"{installed}, not {requirement.specifier}", "problem", f"`pip install '{text}'`"
        )
    return Finding(requirement.name, installed) if requirement.name in SHOWN else None


def _processors() -> Iterator[Finding]:
    facts = machine()
    cores, memory = facts["cores"], facts["memory_bytes"] / GIB
    vectors = "AVX-512" if facts["avx512"] else "AVX2" if facts["avx2"] else "no AVX"
    slow = facts["architecture"] in ("x86_64", "AMD64") and not facts["avx2"]
    yield Finding(
        "processor",
        f"{facts['processor']}, {vectors}",
        "note" if slow else "ok",
        "arithmetic on this processor is several times slower" if slow else "",
    )
    threads = os.environ.get("OMP_NUM_THREADS")
    yield Finding(
        "cores",
        f"{cores}" + (f", OMP_NUM_THREADS={threads}" if threads else ""),
        "note" if cores < 2 else "ok",
        "stages run one after another" if cores < 2 else "each stage sets its own threads, from params.yaml",
    )
    small = memory < 3
    yield Finding(
        "memory",
        f"{memory:.1f} GiB",
        "note" if small else "ok",
        "the default experiment takes 1.5 GiB" if small else "",
    )


def _accelerators() -> Iterator[Finding]:
    devices = visible()
    if not devices:
        yield Finding("accelerators", "none; everything runs on the processor")
        return
    try:
        import torch
    except ImportError:
        yield Finding("accelerators", f"{len(devices)}", "problem", "torch is missing: `pip install -e .`")
        return
    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        yield Finding("accelerators", names)
    else:
        remedy = "install a torch built for CUDA, as https://pytorch.org/get-started says, and a driver that fits"
        yield Finding("accelerators", f"{len(devices)}, not usable by torch {torch.__version__}", "problem", remedy)


def _storage() -> Iterator[Finding]:
    free = shutil.disk_usage(".").free / GIB
    low = free < 5
    yield Finding(
        "disk",
        f"{free:.0f} GiB free",
        "note" if low else "ok",
        "`rlpipe prune` and `dvc gc --workspace --all-commits` make room" if low else "",
    )


def _project() -> Iterator[Finding]:
    if not Path("Snakefile").is_file() or not Path("params.yaml").is_file():
        yield Finding("project", "no Snakefile and params.yaml here", "problem", "change to the project's folder")
        return
    if Path("rlpipe").is_dir() and Path("rlpipe").resolve() != HOME / "rlpipe":
        remedy = "`pip install -e .` here; `python -m rlpipe.commands.app` runs this project's code"
        yield Finding("project", f"the `rlpipe` command is that of {HOME}", "note", remedy)
    import yaml

    from rlpipe.params.config import ConfigError, load

    try:
        load(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")) or {})
        yield Finding("params.yaml", "can be used")
    except (ConfigError, yaml.YAMLError) as error:
        yield Finding("params.yaml", "cannot be used", "problem", str(error))
    if any(Path(".snakemake/locks").glob("*.lock")):
        yield Finding(
            "snakemake", "a run is under way, or was killed", "note", "if it was killed: `snakemake --unlock`"
        )


def _sharing() -> Iterator[Finding]:
    git = _said("git", "rev-parse", "--short", "HEAD")
    yield Finding(
        "git", git or "no repository", "ok" if git else "note", "" if git else "`git init`, to record results"
    )
    if not Path(".dvc").is_dir():
        yield Finding("dvc", "not set up", "note", "`dvc init`, to record results")
        return
    remote = _said(sys.executable, "-m", "dvc", "config", "core.remote")
    remedy = "to share results: `dvc remote add -d storage <folder, s3://..., ssh://...>`"
    yield Finding("dvc remote", remote or "none", "ok" if remote else "note", "" if remote else remedy)


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _show(found: Sequence[Finding]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "found", "remedy"):
        table.add_column(column, overflow="fold")
    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "problem": "[red]problem[/]"}
    for finding in found:
        table.add_row(marks[finding.state], *map(escape, (finding.subject, finding.value, finding.remedy)))
    Console().print(table)
