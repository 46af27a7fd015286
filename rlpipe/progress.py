"""Progress of long work: a bar with facts and time left on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0


class Reporter:
    """What the worker calls: `advance(n, reward=0.3, entropy=0.2)` after every piece of work."""

    def __init__(self, total: int, description: str, bar: Progress | None, done: int, shown: bool = True):
        self.shown = shown
        self.total, self.description, self.bar, self.done = total, description, bar, done
        self.started, self.first, self.last_line = time.monotonic(), done, 0.0
        self.task = bar.add_task(description, total=total, completed=done, facts="") if bar else None

    def advance(self, n: int = 1, **facts: float | int | str) -> None:
        self.done += n
        words = "  ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in facts.items())
        if self.bar is not None and self.task is not None:
            self.bar.update(self.task, advance=n, facts=words)
            return
        now = time.monotonic()
        if not self.shown:
            return
        if now - self.last_line >= SECONDS_BETWEEN_LINES or self.done >= self.total:
            self.last_line = now
            print(f"{self.description}  {self.done}/{self.total}  {words}  {self._left(now)}", flush=True)

    def _left(self, now: float) -> str:
        pace = (now - self.started) / max(self.done - self.first, 1)
        return f"{pace * (self.total - self.done):.0f} s left" if self.done < self.total else "done"


@contextmanager
def progress(total: int, description: str, done: int = 0, shown: bool = True) -> Iterator[Reporter]:
    """A reporter over `total` pieces of work, `done` of which were made before; silent unless `shown`."""
    console = Console(file=sys.stderr)
    if not shown or not console.is_terminal:
        yield Reporter(total, description, None, done, shown)
        return
    columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")]
    with Progress(*columns, TextColumn("{task.fields[facts]}"), TimeRemainingColumn(), console=console) as bar:
        yield Reporter(total, description, bar, done)
