"""Requests that wait together are answered as one batch: the door through which engines in this process are asked.

A sampler is the story of one prompt and asks for one rollout at a time. Run one by one, a model spends its time on
overhead; here the requests of all stories that wait are gathered first, in the order they came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from rlpipe.engine.processes import shared
from rlpipe.engine.protocol import Engine
from rlpipe.types import Message, Request, Rollout, Sampling

T = TypeVar("T")
QUIET = 6  # turns of the event loop without a new request after which all stories are taken to be waiting


class Batched:
    """Gathers requests and answers each kind of sampling as one batch; a subclass says how a batch is answered."""

    exact: bool = False
    full_entropy: bool = False
    logit_rules: frozenset[str] = frozenset()
    weights: bool = False
    longest: int | None = None
    special_ids: frozenset[int] = frozenset()

    def __init__(self) -> None:
        self._waiting: list[tuple[Request, asyncio.Future[Rollout]]] = []
        self._answering: asyncio.Task[None] | None = None

    def answer(self, requests: Sequence[Request]) -> list[Rollout]:
        """One rollout per request; all have the same sampling."""
        raise NotImplementedError

    async def complete(self, request: Request) -> Rollout:
        """One rollout; it depends on the request alone."""
        future: asyncio.Future[Rollout] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._answering is None or self._answering.done():
            self._answering = asyncio.ensure_future(self._gather())
        return await future

    async def _gather(self) -> None:
        """Wait until no story asks any more, then answer."""
        seen, quiet = 0, 0
        while quiet < QUIET:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == seen else 0
            seen = len(self._waiting)
        asked, self._waiting = [pair for pair in self._waiting if not pair[1].done()], []
        kinds: dict[Sampling, list[tuple[Request, asyncio.Future[Rollout]]]] = {}
        for request, future in asked:
            kinds.setdefault(request.sampling, []).append((request, future))
        for part in kinds.values():
            self._serve(part)

    def _serve(self, part: Sequence[tuple[Request, asyncio.Future[Rollout]]]) -> None:
        try:
            answers = self.answer([request for request, _ in part])
        except Exception as error:  # reaches every story that asked
            for _, future in part:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), rollout in zip(part, answers, strict=True):
            if not future.done():
                future.set_result(rollout)


class Relayed(Batched):
    """An engine in front of another, as which it presents itself; a subclass says what is passed on."""

    def __init__(self, engine: Engine):
        super().__init__()
        self.engine: Any = engine
        self._as_presented()

    def _as_presented(self) -> None:
        for name in ("exact", "full_entropy", "logit_rules", "weights", "longest", "special_ids"):
            setattr(self, name, getattr(self.engine, name))

    def encode(self, messages: Sequence[Message]) -> list[int]:
        return list(self.engine.encode(messages))

    def encode_reply(self, messages: Sequence[Message], ended: bool) -> list[int]:
        return list(self.engine.encode_reply(messages, ended))

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.engine.decode(ids))

    def load_policy(self, policy: Any, step: int = 0) -> None:
        self.engine.load_policy(policy, step)
        self._as_presented()


class Remembering(Relayed):
    """Answers a request it has had before from memory.

    A rollout depends on its request alone, so that methods sharing draws (all those on whole samples, the first step of
    all others) pay for them once. What a search is charged does not change.
    """

    def __init__(self, engine: Engine):
        super().__init__(engine)
        self.known: dict[Request, Rollout] = {}
        self.prompts: dict[tuple[tuple[str, str], ...], list[int]] = {}

    def encode(self, messages: Sequence[Message]) -> list[int]:
        key = tuple((m["role"], m["content"]) for m in messages)
        if key not in self.prompts:
            self.prompts[key] = super().encode(messages)
        return self.prompts[key]

    def load_policy(self, policy: Any, step: int = 0) -> None:
        self.known.clear()
        super().load_policy(policy, step)

    def answer(self, requests: Sequence[Request]) -> list[Rollout]:
        new = [r for r in dict.fromkeys(requests) if r not in self.known]
        if new:
            self.known.update(zip(new, self.engine.answer(new), strict=True))
        return [self.known[r] for r in requests]


class Dealing(Relayed):
    """Deals requests out over the processes of a run, each of which has an engine of its own.

    Every process asks the same requests in the same order, answers a stretch of them and is told all answers.
    """

    def answer(self, requests: Sequence[Request]) -> list[Rollout]:
        return shared(self.engine.answer, requests)


def together(jobs: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Every job's result, in order. What they ask of an engine at the same time is asked as one batch.

    Raises: what the first job in order raised.
    """

    found: list[T | BaseException] = []

    async def all_of() -> None:  # returns nothing: asyncio.run spells out what its task returns, tensor by tensor
        found.extend(await asyncio.gather(*jobs, return_exceptions=True))

    asyncio.run(all_of())
    results: list[T] = []
    for result in found:
        if isinstance(result, BaseException):
            raise result
        results.append(result)
    return results


def complete_all(
    engine: Engine, prefixes: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int]
) -> list[Rollout]:
    """One rollout for each prefix and seed, as one batch: for callers that have no story to tell."""
    requests = [Request(tuple(p), sampling, s) for p, s in zip(prefixes, seeds, strict=True)]
    return together([engine.complete(r) for r in requests])
