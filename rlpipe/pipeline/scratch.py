"""Where an artifact is made: its lock, its scratch, and the moment it takes its place.

    .rlpipe/locks/<artifact>              held while one process makes it; the kernel drops it however that ends
    .rlpipe/work/<artifact>/<action>/     `scratch` outlives a kill, so that work resumes; `out` becomes the artifact

The action is in the path, so that a checkpoint of other settings is never resumed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rlpipe.pipeline.provenance import WORK


@contextmanager
def exclusive(artifact: Path) -> Iterator[bool]:
    """Hold the lock of an artifact. Yields whether another process had it and had to be waited for."""
    file = WORK / "locks" / artifact
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_name(file.name + ".lock"), "w") as lock:
        waited = False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = True
            print(f"{artifact} is being made by another process: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield waited


def workplace(artifact: Path, action: str) -> tuple[Path, Path]:
    """(scratch, out) of an action."""
    base = WORK / "work" / artifact / action
    return base / "scratch", base / "out"


def fresh(directory: Path) -> Path:
    """The directory, empty."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def install(out: Path, artifact: Path) -> None:
    """Put a complete artifact in its place and drop the scratch of every action of it."""
    artifact.parent.mkdir(parents=True, exist_ok=True)
    incoming, outgoing = (artifact.with_name(f".{artifact.name}.{word}") for word in ("new", "old"))
    shutil.rmtree(outgoing, ignore_errors=True)
    try:
        _swap(out, artifact, outgoing)
    except OSError as error:
        if error.errno != errno.EXDEV:  # the results folder may be a link to another disk
            raise
        shutil.rmtree(incoming, ignore_errors=True)
        shutil.copytree(out, incoming)
        _swap(incoming, artifact, outgoing)
    shutil.rmtree(outgoing, ignore_errors=True)
    shutil.rmtree(WORK / "work" / artifact, ignore_errors=True)


def _swap(complete: Path, artifact: Path, outgoing: Path) -> None:
    if artifact.exists():
        os.rename(artifact, outgoing)
    try:
        os.rename(complete, artifact)
    except OSError:
        if outgoing.exists():
            os.rename(outgoing, artifact)
        raise
