"""What is still running below this process, and whether calls end on time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rlpipe.verifiers.sandbox_harness import descendants

T = TypeVar("T")
ALLOWED = 0.5  # seconds beyond its limit within which a call must be dead


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


def left_behind(before: list[int], patience: float = 5.0) -> list[int]:
    """Processes below this one that were not there `before`, given `patience` seconds to be reaped."""
    end = time.monotonic() + patience
    while True:
        new = sorted(set(alive("")) - set(before))
        if not new or time.monotonic() > end:
            return new
        time.sleep(0.05)


def timely(call: Callable[[], T], limit: float, prepare: Callable[[], object] = time.monotonic) -> T:
    """What `call` returns, having returned it within `limit` seconds and half a second more.

    `prepare` runs before each attempt, outside the clock. On a machine busy with other things everything is late: a call
    that is late is granted what three empty Python processes take at that moment (a tenth of a second when idle), and two
    more attempts.
    """
    late = []
    for _ in range(3):
        prepare()
        begun = time.monotonic()
        result = call()
        late.append(time.monotonic() - begun - limit)
        if late[-1] < ALLOWED or late[-1] < ALLOWED + _three_processes():
            return result
    raise AssertionError(f"{', '.join(f'{s:.2f}' for s in late)} s beyond the limit of {limit} s")


def _three_processes() -> float:
    begun = time.monotonic()
    for _ in range(3):
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
    return time.monotonic() - begun
