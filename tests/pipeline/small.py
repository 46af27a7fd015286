"""A package of a few lines in the current folder, a spec, and an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlpipe.pipeline.provenance import Spec


def package(files: dict[str, str]) -> Path:
    """A package `rlpipe` in the current folder, its `__init__` files empty where not given."""
    for name, text in files.items():
        file = Path("rlpipe", name)
        for folder in [file.parent, *file.parent.parents][:-1]:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
        file.write_text(text)
    return Path()


def spec(**changed: Any) -> Spec:
    known: dict[str, Any] = {
        "name": "train/grpo/seed-0",
        "root": "results",
        "wildcards": {"run": "grpo", "seed": "0"},
        "params": {"train": {"steps": 2, "rate": 0.1}},
        "code": {"rlpipe.stages.train": "aa"},
        "inputs": {"sft": "k1"},
        "sources": {},
    }
    return Spec(**{**known, **changed})


def artifact() -> Path:
    path = Path("results/sft")
    (path / "policy").mkdir(parents=True)
    (path / "policy" / "weights").write_text("abc")
    (path / "environment.json").write_text("{}")
    (path / "timings.parquet").write_text("1")
    return path
