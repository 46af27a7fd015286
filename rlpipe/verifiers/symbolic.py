"""Symbolic comparison in processes that can be killed.

sympy can take any time and any memory, and an alarm neither works off the main thread nor interrupts a long C call. So
math-verify runs in spawned workers, one task at a time over a pipe: inside, an alarm after `inner` seconds; outside, a
wall clock of `wall` seconds and SIGKILL. Works from any thread and under a running event loop.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import selectors
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import cast

from rlpipe.types import Status
from rlpipe.verifiers import symbolic_worker

MAX_CHARACTERS = 256  # per side
START_SECONDS = 120.0
STATUSES = ("ok", "wrong", "gold_unparseable", "timeout", "error")

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def library_version() -> str:
    """The installed math-verify, for the verdict."""
    from importlib.metadata import version

    return f"math-verify {version('math-verify')}"


def _environment() -> dict[str, str]:
    """Ours, with the place of this package; one thread."""
    home = str(Path(symbolic_worker.__file__).parents[2])
    path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Worker:
    """One process and its two pipes. Not shared between threads while it works."""

    def __init__(self, inner: float):
        command = [sys.executable, "-P", "-m", symbolic_worker.__name__, str(inner)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            env=_environment(),
        )
        self.ready = False
        self.tasks = 0

    def ask(self, gold: str, prediction: str, wall: float) -> str | None:
        """The worker's line; None if it did not answer in `wall` seconds or died.

        Raises: RuntimeError if the process cannot start.
        """
        if not self.ready:
            if self._line(START_SECONDS) != "ready":
                self.kill()
                raise RuntimeError(
                    f"the symbolic worker did not start: `{' '.join(self.process.args)}` "  # type: ignore[arg-type]
                    "ended or hung; run it by hand to see why (is math-verify installed?)"
                )
            self.ready = True
        self.tasks += 1
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps([gold, prediction]).encode() + b"\n")
        except BrokenPipeError:
            return None
        return self._line(wall)

    def _line(self, seconds: float) -> str | None:
        assert self.process.stdout is not None
        descriptor, deadline, received = self.process.stdout.fileno(), time.monotonic() + seconds, b""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while not received.endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    return None
                part = os.read(descriptor, 4096)
                if not part:
                    return None
                received += part
        return received.decode().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]


_pools: weakref.WeakSet[SymbolicPool] = weakref.WeakSet()


class SymbolicPool:
    """At most `size` workers, started when first needed, replaced after `recycle` tasks and after every kill."""

    def __init__(self, size: int | None = None, wall: float = 5.0, inner: float = 3.0, recycle: int = 1000):
        self.size = size or max(1, min(4, os.cpu_count() or 1))
        self.wall, self.inner, self.recycle = wall, inner, recycle
        self._reset()
        _pools.add(self)

    def _reset(self) -> None:
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(self.size)
        self._closed = False

    def compare(self, gold: str, prediction: str) -> Status:
        """`ok`, `wrong`, `gold_unparseable`, `timeout` or `error`; sides over 256 characters are `needs_symbolic`.

        Raises: RuntimeError if no worker can be started, or the pool is closed.
        """
        if max(len(gold), len(prediction)) > MAX_CHARACTERS:
            return "needs_symbolic"
        with self._places:
            worker = self._take()
            started, answer = time.monotonic(), None
            try:
                answer = worker.ask(gold, prediction, self.wall)
            finally:
                self._give_back(worker, alive=answer is not None)
        if answer is None:
            late = time.monotonic() - started >= self.wall or worker.process.returncode == -24  # SIGXCPU
            return "timeout" if late else "error"
        status, _, detail = answer.partition(" ")
        if status == "error":
            log.warning("symbolic comparison of %r with %r raised %s", prediction, gold, detail)
        return cast(Status, status if status in STATUSES else "error")

    def compare_many(self, pairs: Sequence[tuple[str, str]]) -> list[Status]:
        """Statuses of `(gold, prediction)` pairs, in order; equal pairs are asked once."""
        distinct = list(dict.fromkeys(pairs))
        if len(distinct) < 2:
            answers = [self.compare(*pair) for pair in distinct]
        else:
            with ThreadPoolExecutor(min(self.size, len(distinct)), "symbolic") as threads:
                answers = list(threads.map(lambda pair: self.compare(*pair), distinct))
        known = dict(zip(distinct, answers, strict=True))
        return [known[pair] for pair in pairs]

    def _take(self) -> Worker:
        with self._lock:
            if self._closed:
                raise RuntimeError("the symbolic pool is closed")
            if self._idle:
                return self._idle.pop()
            worker = Worker(self.inner)
            self._all.add(worker)
            return worker

    def _give_back(self, worker: Worker, alive: bool) -> None:
        with self._lock:
            if alive and worker.tasks < self.recycle and not self._closed:
                self._idle.append(worker)
                return
            self._all.discard(worker)
        worker.kill()

    def close(self) -> None:
        """Kill every worker; the pool cannot be used afterwards."""
        with self._lock:
            self._closed = True
            workers, self._all, self._idle = list(self._all), set(), []
        for worker in workers:
            worker.kill()

    def forget(self) -> None:
        """In a forked child: the workers and their pipes belong to the parent."""
        for worker in self._all:
            for pipe in (worker.process.stdin, worker.process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            worker.process.returncode = 0  # not ours to wait for
        self._reset()


_shared: SymbolicPool | None = None
_shared_lock = threading.Lock()


def shared_pool() -> SymbolicPool:
    """The pool of this process. Costs nothing until its first comparison; closed at exit."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = SymbolicPool()
            atexit.register(_shared.close)
        return _shared


def _after_fork() -> None:
    global _shared_lock
    _shared_lock = threading.Lock()
    for pool in _pools:
        pool.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
