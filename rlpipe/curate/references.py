r"""Reference answers put to their own verifier, and the worked responses that the warm-up learns from.

A reference answer that its verifier does not accept would turn right responses into wrong ones for the whole of a
training. Short answers are wrapped as a response (`#### 72`, `\boxed{72}`, `Answer: 72`); task families demonstrate.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rlpipe.curate.files.records import Record
from rlpipe.curate.item import Item, Rejected, rejected
from rlpipe.tasks.problem import Problem
from rlpipe.types import Prompt, Verdict, draw_seed
from rlpipe.verifiers.error_rate import FAILURES, VerifierFailing
from rlpipe.verifiers.verify import reference_status, verifier_module, verify_many

CALCULATOR = re.compile(r"<<[^<>]*>>")  # GSM8K's notes to a calculator, not part of the solution
FAMILY, GYM = "rlpipe/", "reasoning_gym/"
WORKED = ("solution", "answer")  # where files keep a worked solution, in extra_info


@dataclass
class Checked:
    """Items whose reference holds, the others, and what the verifiers said, by status."""

    items: list[Item] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)


def check(items: Sequence[Item], seed: int, max_errors: float) -> Checked:
    """Verify every reference answer against itself.

    Items that cannot be checked, as their reference is a set of tests or a scorer, pass with the status `unchecked`.

    Raises: VerifierFailing when more than a share `max_errors` of a data source's answers end in an error or a timeout.
    """
    found = _verdicts(items, seed)
    _raise_if_failing(items, found, max_errors)
    checked = Checked()
    for item, verdict in zip(items, found, strict=True):
        status = "unchecked" if verdict is None else verdict.status
        checked.statuses[status] += 1
        if verdict is None or verdict.correct:
            checked.items.append(item)
        else:
            detail = f"reference {item.gold[:200]!r}, read as {verdict.extracted!r}"
            checked.rejected.append(rejected(item, "verify", f"reference answer is {status}", detail=detail))
    return checked


def _verdicts(items: Sequence[Item], seed: int) -> list[Verdict | None]:
    """Whether each reference can be read, and if so what its verifier says of it; None where it is no response."""
    prompts = {(item.source, item.gold): item.prompt for item in items}
    readable = {key: reference_status(prompt) for key, prompt in prompts.items()}
    statuses = [readable[item.source, item.gold] for item in items]
    responses = [reference_response(i, seed) if s == "ok" else None for i, s in zip(items, statuses, strict=True)]
    pairs = [(item.prompt, text) for item, text in zip(items, responses, strict=True) if text is not None]
    verdicts = iter(_verified(pairs))
    found: list[Verdict | None] = []
    for item, status, text in zip(items, statuses, responses, strict=True):
        unread = None if status == "ok" else Verdict(0.0, status, item.gold)
        found.append(unread if text is None else next(verdicts))
    return found


def _verified(pairs: Sequence[tuple[Prompt, str]]) -> list[Verdict]:
    """Verdicts in order; equal questions to a verifier are asked once."""
    asked = {(prompt.source, prompt.answer, text): (prompt, text) for prompt, text in pairs}
    verdicts = dict(zip(asked, verify_many(list(asked.values())), strict=True))
    return [verdicts[prompt.source, prompt.answer, text] for prompt, text in pairs]


def _raise_if_failing(items: Sequence[Item], verdicts: Sequence[Verdict | None], max_errors: float) -> None:
    asked: Counter[str] = Counter()
    failed: dict[str, list[tuple[Item, Verdict]]] = {}
    for item, verdict in zip(items, verdicts, strict=True):
        if verdict is not None:
            asked[item.source] += 1
            if verdict.status in FAILURES:
                failed.setdefault(item.source, []).append((item, verdict))
    for source, failures in sorted(failed.items()):
        if len(failures) > max_errors * asked[source]:
            item, verdict = failures[0]
            raise VerifierFailing(
                f"{source}: the verifier failed on {len(failures)} of {asked[source]} reference answers "
                f"({len(failures) / asked[source]:.1%}; curate.max_verifier_errors allows {max_errors:.1%}). "
                f"First: {item.place}, {verdict.status} on {item.gold[:80]!r}. "
                "Check the verifier on that answer, or leave such rows out."
            )


def reference_response(item: Item, seed: int) -> str | None:
    """A response that the verifier must accept; None where the reference is not one."""
    if item.source.startswith(FAMILY):
        return _demonstrated(item, draw_seed(seed, "reference", item.id))
    if item.source.startswith(GYM):
        answer = json.loads(item.gold)["entry"].get("answer")
        return answer if isinstance(answer, str) else None
    if verifier_module(item.source) != "rlpipe.verifiers.answer":
        return None
    if "gsm8k" in item.source:
        return f"#### {item.gold}"
    return f"Answer: {item.gold}" if "dapo" in item.source else rf"\boxed{{{item.gold}}}"


def _demonstrated(item: Item, seed: int) -> str:
    from rlpipe.tasks.catalogue import family

    key, level = item.key or "", item.row["difficulty"] or ""
    return str(family(item.source).demonstrate(Problem(item.prompt.text, item.gold, key, level), random.Random(seed)))


def demonstrations(items: Sequence[Item], count: int, seed: int) -> tuple[list[Record], int]:
    """Worked responses (schema demonstrations/1) of the prompts, in their order, all of them verified.

    Task families give `count` per prompt, from a generator keyed by the prompt; reasoning-gym and files give their one
    answer or worked solution, if they have it.

    Returns: the rows, and the number of prompts without one.
    Raises: VerifierFailing if a family's own demonstration is not accepted.
    """
    offered = [(item, text) for item in items for text in _responses(item, count, seed)]
    verdicts = _verified([(item.prompt, text) for item, text in offered])
    rows, shown = [], set()
    for (item, text), verdict in zip(offered, verdicts, strict=True):
        if verdict.correct:
            shown.add(item.id)
            rows.append(_row(item, text))
        elif item.source.startswith(FAMILY):
            raise VerifierFailing(
                f"{item.source}: its demonstration {text[:200]!r} of {item.text!r} is {verdict.status}"
            )
    return rows, len(items) - len(shown)


def _responses(item: Item, count: int, seed: int) -> list[str]:
    if item.source.startswith(FAMILY):
        return [_demonstrated(item, draw_seed(seed, "demonstration", item.id, i)) for i in range(count)]
    if item.source.startswith(GYM):
        reference = reference_response(item, seed)
        return [] if reference is None else [reference]
    extra = item.metadata.get("extra_info") or {}
    found = [extra[name] for name in WORKED if isinstance(extra.get(name), str)]
    return [CALCULATOR.sub("", found[0])] if found else []


def _row(item: Item, response: str) -> Record:
    names = ("prompt_id", "data_source", "prompt", "difficulty")
    return {**{name: item.row[name] for name in names}, "response": response}
