"""Which accelerator a job gets. A stage takes a lease on as many as its rule says, among those it can see.

A lease is a file lock: the kernel drops it however the holder ends.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import time
from pathlib import Path

SCHEDULERS = ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST")  # set in jobs of a cluster
_held: list[int] = []  # file descriptors, open until the process ends


def visible() -> list[str]:
    """Devices this process may use, as CUDA_VISIBLE_DEVICES lists them."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [d.strip() for d in listed.split(",") if d.strip() not in ("", "-1")]
    found = (re.fullmatch(r"nvidia(\d+)", file.name) for file in Path("/dev").glob("nvidia*"))
    return sorted((match[1] for match in found if match), key=int)


def lease(count: int) -> list[str]:
    """Wait for `count` devices and show the process no others; on a machine without any, do nothing.

    A cluster's scheduler has dealt devices out before, under numbers that every job counts from 0: they are taken as they
    are, as jobs of one node would else wait for each other.

    Returns: the devices. Raises: ValueError if there are fewer than `count`.
    """
    devices = visible()
    if not devices or count < 1:
        return []
    if len(devices) < count:
        raise ValueError(
            f"{count} devices asked for, {len(devices)} here ({', '.join(devices)}): lower the rule's `devices`"
        )
    if any(name in os.environ for name in SCHEDULERS):
        taken = devices[:count]
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
        return taken
    while len(taken := _take(devices, count)) < count:
        time.sleep(0.5)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
    return taken


def _take(devices: list[str], count: int) -> list[str]:
    """As many devices as are free, at most `count`; none are kept if there are fewer."""
    taken: dict[str, int] = {}
    for device in devices:
        descriptor = os.open(Path(tempfile.gettempdir(), f"rlpipe-gpu-{device}"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken[device] = descriptor
        except BlockingIOError:
            os.close(descriptor)
        if len(taken) == count:
            _held.extend(taken.values())
            return list(taken)
    for descriptor in taken.values():
        os.close(descriptor)
    return []
