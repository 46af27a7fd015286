"""What is still running below this process, and whether calls end on time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rlpipe.verifiers.sandbox_harness import descendants

T = TypeVar("T")
QUADRATIC = 5.0  # seconds of processor time: a megabyte read in linear time takes a thousandth of them
ALLOWED = 5.0  # seconds beyond its limit; ten times what a kill takes on a slow and busy machine


def alive(command: str) -> list[int]:
    """Processes below this one whose command line holds `command`, zombies included."""
    found = []
    for pid in descendants(os.getpid()):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if command.encode() in line or not line:
            found.append(pid)
    return found


def left_behind(before: list[int], patience: float = 30.0) -> list[int]:
    """Processes below this one that were not there `before`, given `patience` seconds to be reaped."""
    end = time.monotonic() + patience
    while True:
        new = sorted(set(alive("")) - set(before))
        if not new or time.monotonic() > end:
            return new
        time.sleep(0.05)


def timely(call: Callable[[], T], limit: float, prepare: Callable[[], object] = time.monotonic) -> T:
    """What `call` returns, which must not be later than `limit` seconds and what is allowed; `prepare` runs before."""
    prepare()
    begun = time.monotonic()
    result = call()
    assert time.monotonic() - begun < limit + ALLOWED
    return result
