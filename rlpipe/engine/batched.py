"""Many searches at once, one forward pass for all of them, and no draw made twice.

A search is written for one prompt and asks its engine a step at a time. Run one by one, a small model spends its time on
overhead; run together, the requests of all searches that wait are answered as one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock, Thread
from typing import Any, Generic, TypeVar

from rlpipe.types import Engine, Message, Rollout, Sampling

T = TypeVar("T")
ALIVE = 256  # searches under way at a time


@dataclass
class _Request:
    prefixes: Sequence[Sequence[int]]
    sampling: Sampling
    seeds: Sequence[int]
    policy_step: int
    place: int  # of its job, which fixes the order in a batch
    turn: Condition  # of its job, which waits for it
    answer: list[Rollout] | None = None
    error: BaseException | None = None


class Remembering:
    """An engine that answers a request it has had before from memory.

    A rollout depends on its prefix, seed and sampling alone, so that methods sharing draws (all those on whole samples, the
    first step of all others) pay for them once. What a search is charged does not change.
    """

    def __init__(self, engine: Engine):
        self.engine, self.exact = engine, engine.exact
        self.known: dict[tuple[Any, ...], Rollout] = {}
        self.prompts: dict[tuple[tuple[str, str], ...], list[int]] = {}

    def encode(self, messages: Sequence[Message]) -> list[int]:
        key = tuple((m["role"], m["content"]) for m in messages)
        if key not in self.prompts:
            self.prompts[key] = self.engine.encode(messages)
        return self.prompts[key]

    def load_policy(self, policy: Any) -> None:
        self.forget()
        self.engine.load_policy(policy)

    def forget(self) -> None:
        self.known.clear()

    def complete(
        self, prefixes: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int], policy_step: int = 0
    ) -> list[Rollout]:
        keys = [(tuple(p), s, sampling, policy_step) for p, s in zip(prefixes, seeds, strict=True)]
        new = list(dict.fromkeys(key for key in keys if key not in self.known))
        if new:
            rollouts = self.engine.complete([k[0] for k in new], sampling, [k[1] for k in new], policy_step)
            self.known.update(zip(new, rollouts, strict=True))
        return [self.known[key] for key in keys]


class _Desk(Generic[T]):
    """Takes the requests of the jobs and answers them once every job waits.

    The lock is held by whoever works, and given up only while waiting: jobs take turns, so that they need not be safe
    against each other.
    """

    def __init__(self, engine: Engine, jobs: Sequence[Callable[[Engine], T]]):
        self.engine, self.jobs = engine, jobs
        self.lock = Lock()
        self.all_wait = Condition(self.lock)
        self.working = len(jobs)
        self.requests: list[_Request] = []
        self.results: dict[int, T] = {}
        self.errors: dict[int, BaseException] = {}

    def run(self) -> list[T]:
        for place in range(len(self.jobs)):
            Thread(target=self._work, args=(place,), daemon=True).start()
        with self.lock:
            while self.working or self.requests:
                self.all_wait.wait_for(lambda: not self.working)
                self._answer()
        if self.errors:
            raise self.errors[min(self.errors)]
        return [self.results[place] for place in range(len(self.jobs))]

    def _work(self, place: int) -> None:
        with self.lock:
            try:
                self.results[place] = self.jobs[place](_Client(self, place))
            except BaseException as error:  # raised again by `run`
                self.errors[place] = error
            self._rest()

    def ask(self, request: _Request) -> list[Rollout]:
        """The answer to a request; the others go on meanwhile."""
        self.requests.append(request)
        self._rest()
        request.turn.wait_for(lambda: request.answer is not None or request.error is not None)
        if request.error is not None:
            raise request.error
        assert request.answer is not None
        return request.answer

    def _rest(self) -> None:
        self.working -= 1
        if not self.working:
            self.all_wait.notify()

    def _answer(self) -> None:
        asked, self.requests = sorted(self.requests, key=lambda r: r.place), []
        for kind in dict.fromkeys((r.sampling, r.policy_step) for r in asked):
            part = [r for r in asked if (r.sampling, r.policy_step) == kind]
            try:
                self._complete(part, *kind)
            except Exception as error:  # reaches every search that asked, and `run` through them
                for r in part:
                    r.error = error
        self.working += len(asked)
        for r in asked:
            r.turn.notify()

    def _complete(self, part: Sequence[_Request], sampling: Sampling, policy_step: int) -> None:
        prefixes = [p for r in part for p in r.prefixes]
        seeds = [s for r in part for s in r.seeds]
        found = iter(self.engine.complete(prefixes, sampling, seeds, policy_step))
        for r in part:
            r.answer = [next(found) for _ in r.seeds]


class _Client:
    """The engine as a job sees it."""

    def __init__(self, desk: _Desk[Any], place: int):
        self.desk, self.place, self.exact = desk, place, desk.engine.exact
        self.turn = Condition(desk.lock)

    def encode(self, messages: Sequence[Message]) -> list[int]:
        return self.desk.engine.encode(messages)

    def load_policy(self, policy: Any) -> None:
        raise RuntimeError("a policy cannot be exchanged while searches are under way")

    def complete(
        self, prefixes: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int], policy_step: int = 0
    ) -> list[Rollout]:
        return self.desk.ask(_Request(prefixes, sampling, seeds, policy_step, self.place, self.turn))


def together(engine: Engine, jobs: Sequence[Callable[[Engine], T]]) -> list[T]:
    """Every job's result, in order; a job is called with an engine whose requests are batched with those of the others.

    Results are those of the jobs one by one, as far as the engine's do not depend on what else is in a batch. Only the
    calling thread uses `engine.complete`.

    Raises: what the first job in order raised.
    """
    found: list[T] = []
    for start in range(0, len(jobs), ALIVE):
        found += _Desk(engine, jobs[start : start + ALIVE]).run()
    return found
