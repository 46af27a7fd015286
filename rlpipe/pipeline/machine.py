"""What a stage ran on: versions, processor, memory, devices, commit. For `environment.json` and `rlpipe doctor`.

Nothing here imports the libraries it reports on: versions come from package metadata.
"""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "rlpipe",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "accelerate",
    "vllm",
    "numpy",
    "scipy",
    "polars",
    "pyarrow",
    "pydantic",
    "networkx",
    "datasketch",
    "math-verify",
    "reasoning-gym",
    "altair",
    "snakemake",
    "dvc",
)

NUMERIC = ("torch", "transformers", "tokenizers", "numpy", "scipy", "polars", "pyarrow")  # results may hang on these


@cache
def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str | None]:
    """Installed version by package; None where it is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def drift(environment: Mapping[str, Any]) -> list[str]:
    """Packages whose version differs from that in an `environment.json`: `torch 2.12 -> 2.13`."""
    then, now = environment.get("versions", {}), versions()
    return [f"{name} {then[name]} -> {now[name]}" for name in NUMERIC if then.get(name) and then[name] != now[name]]


def machine() -> dict[str, Any]:
    """Operating system, processor, cores, memory in bytes. No name of the machine or of a person."""
    flags = cpu_flags()
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "avx2": "avx2" in flags,
        "avx512": "avx512f" in flags,
        "kernels": kernels(),
        "devices": devices(),
    }


def devices() -> list[str]:
    """Names of the accelerators a library in use has found; empty where none was asked for."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def kernels() -> str | None:
    """The vector width of PyTorch's kernels, where it was used: `AVX2`, `AVX512`."""
    torch = sys.modules.get("torch")
    return None if torch is None else str(torch.backends.cpu.get_cpu_capability())


def cpu_flags() -> frozenset[str]:
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", _cpuinfo(), re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.*)$", _cpuinfo(), re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return ""


def peak_memory() -> int:
    """Largest resident set so far of this process or of one of its children, bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(w).ru_maxrss for w in who) * unit


def commit() -> str | None:
    """The commit of the project, with `+` if files differ from it; None outside Git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
