"""Artifacts that nobody wants any more: what there is of them, and their removal."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rlpipe.pipeline.explain import in_order
from rlpipe.pipeline.provenance import RECEIPT, STAGES, WORK, Spec, artifact_of, beside, read_spec, spec_file


@dataclass(frozen=True)
class Unwanted:
    """An artifact the plan does not ask for, and what there is of it."""

    path: Path
    parts: tuple[Path, ...]  # the directory, pointer, flag, scratch

    @property
    def size(self) -> int:
        """Bytes on this disk."""
        files = (f for part in self.parts for f in (part.rglob("*") if part.is_dir() else [part]))
        return sum(file.stat().st_size for file in files if file.is_file())


def wanted(root: str) -> list[Spec]:
    """What the last plan for a results folder asks for, producers first."""
    base = WORK / "specs"
    found = (
        read_spec(artifact_of(file.relative_to(base).with_suffix("")))
        for stage in STAGES
        for file in sorted((base / root).glob(f"{stage}.json")) + sorted((base / root / stage).rglob("*.json"))
    )
    return in_order(spec for spec in found if spec is not None)


def unwanted(root: str) -> list[Unwanted]:
    """Artifacts below a results folder, whole or in the making, that its plan does not ask for."""
    keep = {spec.path for spec in wanted(root)}
    found = sorted({Path(root, name) for name in (*_made(Path(root)), *_begun(WORK / "work" / root))} - keep)
    return [Unwanted(path, tuple(part for part in _parts(path) if part.exists())) for path in found]


def _made(base: Path) -> Iterator[Path]:
    """Names of what is, or stands for, an artifact of one of our stages."""
    for stage in STAGES:
        for file in (base / stage / RECEIPT, *base.glob(f"{stage}.*"), *base.glob(f"{stage}/**/*")):
            if file.suffix in (".done", ".dvc"):
                yield artifact_of(file).relative_to(base)
            elif file.name == RECEIPT and file.is_file():
                yield file.parent.relative_to(base)


def _begun(base: Path) -> Iterator[Path]:
    """Names of artifacts with scratch: `<name>/<action>/scratch`."""
    for stage in STAGES:
        yield from (scratch.parents[1].relative_to(base) for scratch in base.glob(f"{stage}/**/scratch"))


def _parts(path: Path) -> tuple[Path, ...]:
    return (path, beside(path, ".dvc"), beside(path, ".done"), WORK / "work" / path, spec_file(path))


def delete(found: Iterable[Unwanted]) -> None:
    """Remove them here; DVC's cache keeps what was recorded until `dvc gc`."""
    for artifact in found:
        for part in artifact.parts:
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink(missing_ok=True)
