"""The files behind a `path`: itself, those of a folder, or those a pattern finds. Standard library only."""

from __future__ import annotations

import glob
from pathlib import Path

KINDS = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv")
PACKED = (".gz", ".zst")
WILD = "*?["


def kind(file: Path) -> str:
    """The ending that says how to read a file, without that of its compression."""
    return Path(file.stem).suffix if file.suffix in PACKED else file.suffix


def is_pattern(path: Path | str) -> bool:
    """Whether a path stands for the files it matches; a file or folder of that very name goes first."""
    return any(sign in str(path) for sign in WILD) and not Path(path).exists()


def shards(path: Path | str) -> list[Path]:
    """The files to read, in order of their names; hidden ones and those of unknown kinds in a folder are none.

    Raises: ValueError for a folder of several kinds, as one of them is likely no table of problems, or of none; for a
    pattern that matches nothing; for a path that does not exist.
    """
    if is_pattern(path):
        found = sorted(file for file in map(Path, glob.glob(str(path), recursive=True)) if file.is_file())
        if not found:
            raise ValueError(f"{path}: no file matches; paths are relative to the project")
        return found
    path = Path(path)
    if not path.is_dir():
        if not path.is_file():
            raise ValueError(f"{path}: no such file; paths are relative to the project")
        return [path]
    found = sorted(
        file for file in path.iterdir() if file.is_file() and kind(file) in KINDS and file.name[0] not in "._"
    )
    kinds = sorted({kind(file) for file in found})
    if len(kinds) != 1:
        holds = f"files of several kinds ({', '.join('*' + k for k in kinds)})" if kinds else "no file that can be read"
        example = path / f"*{kinds[0] if kinds else '.jsonl'}"
        raise ValueError(f"{path}: holds {holds}; name those to read by a pattern, such as {example}")
    return found
