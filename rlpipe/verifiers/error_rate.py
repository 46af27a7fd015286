"""Stops a run whose verifier fails, before it trains on zeros that mean nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from rlpipe.types import Verdict

FAILURES = frozenset(("timeout", "error"))
# A program that runs out of time is a wrong program, not a failure of the sandbox.
FAILURES_OF = {"code": frozenset(("error",))}


class VerifierFailing(RuntimeError):
    """More verdicts than allowed are timeouts or errors: rewards and metrics would be measuring the verifier."""


class ErrorRate:
    """Watches verdicts, per verifier, over the last `window` of them; judges from `minimum` on.

    Shared by training and evaluation. State is small and part of a checkpoint: `state_dict`, `load_state_dict`.
    """

    def __init__(self, limit: float = 0.02, window: int = 1000, minimum: int | None = None):
        if not 0 <= limit <= 1 or window < 1 or (minimum is not None and not 1 <= minimum <= window):
            raise ValueError(
                f"error rate guard: limit {limit} must be in [0, 1] and 1 <= minimum ({minimum}) <= window ({window})"
            )
        self.limit, self.window, self.minimum = limit, window, minimum or window
        self._failed: dict[str, deque[bool]] = {}
        self._failures: dict[str, int] = {}
        self._example: dict[str, str] = {}

    def observe(self, verdicts: Sequence[Verdict], names: Sequence[str] = ()) -> None:
        """Count verdicts; `names` say whose they are (prompt ids), for the message.

        Raises: VerifierFailing, naming the verifier, the counts and an example.
        """
        for i, verdict in enumerate(verdicts):
            verifier = verdict.verifier.split("+")[0] or "unnamed"
            failed = verdict.status in FAILURES_OF.get(verifier, FAILURES)
            if failed:
                self._example[verifier] = _describe(verdict, names[i] if i < len(names) else None)
            self._count(verifier, failed)
            self._judge(verifier)

    def _count(self, verifier: str, failed: bool) -> None:
        recent = self._failed.setdefault(verifier, deque(maxlen=self.window))
        leaving = recent[0] if len(recent) == self.window else False
        recent.append(failed)
        self._failures[verifier] = self._failures.get(verifier, 0) + failed - leaving

    def _judge(self, verifier: str) -> None:
        recent, failures = self._failed[verifier], self._failures[verifier]
        if len(recent) >= self.minimum and failures > self.limit * len(recent):
            raise VerifierFailing(
                f"verifier '{verifier}': {failures} of the last {len(recent)} answers ended in a timeout or an error "
                f"({failures / len(recent):.1%}; {self.limit:.1%} is allowed). Last one: {self._example[verifier]}. "
                "Their score is 0 whatever the answer was, so the run stops here. Check the verifier on that answer; "
                "give it more time or memory, or leave such prompts out in curation."
            )

    def rates(self) -> dict[str, float]:
        """Share of failures in the window, by verifier."""
        return {verifier: self._failures[verifier] / len(recent) for verifier, recent in sorted(self._failed.items())}

    def state_dict(self) -> dict[str, Any]:
        return {"failed": {v: list(recent) for v, recent in self._failed.items()}, "example": dict(self._example)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._failed = {v: deque(recent, maxlen=self.window) for v, recent in state["failed"].items()}
        self._failures = {v: sum(recent) for v, recent in self._failed.items()}
        self._example = dict(state["example"])


def _describe(verdict: Verdict, name: str | None) -> str:
    answer = "no answer extracted" if verdict.extracted is None else repr(verdict.extracted[:80])
    return f"{verdict.status} on {answer}" + (f", prompt {name}" if name else "")
