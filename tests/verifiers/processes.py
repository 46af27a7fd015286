"""What is still running below this process, and how long a call may take beyond its limit."""

from __future__ import annotations

import os
import time
from pathlib import Path

from rlpipe.verifiers.sandbox_harness import descendants

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


def slack() -> float:
    """Seconds the machine itself is late for a sleep of 20 ms right now: on a loaded one, limits are late as well."""
    late = []
    for _ in range(3):
        begun = time.monotonic()
        time.sleep(0.02)
        late.append(time.monotonic() - begun - 0.02)
    return max(late)
