"""The numbers in docs/tasks.md are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rlpipe.tasks.catalogue import families, family

PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", families())
def test_every_level_is_listed_with_its_size_and_the_vocabulary_with_its_length(name: str) -> None:
    module = family(name)
    head, _, body = PAGE.partition(f"## {name} (")[2].partition(" words)")
    assert int(head) == len(module.words())
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \|", body.partition("\n## ")[0], flags=re.MULTILINE)
    sizes = {level: size for level, size in rows if level != "level"}
    assert sorted(sizes) == sorted(module.LEVELS)
    for level, size in sizes.items():
        if hasattr(module, "space"):
            listed, counted = float(size.replace(",", "")), module.space(level)
            assert listed == counted if counted < 1e7 else abs(listed / counted - 1) < 0.05
        else:
            assert size.startswith("≥ ")
