"""Toy: what several stages share."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def journal(line: str) -> None:
    """Stages that really ran, for the tests to count."""
    with open(".rlpipe/journal", "a") as file:
        file.write(line + "\n")


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def save(folder: Path, value: str) -> None:
    folder.mkdir()
    (folder / "weights.json").write_text(json.dumps({"value": value}))


def load(folder: Path) -> str:
    return str(json.loads((folder / "weights.json").read_text())["value"])


class Recipe:
    """As much of a recipe as the toy methods use."""

    def choose(self, **slots: Any) -> str:
        return digest(slots)
