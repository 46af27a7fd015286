"""The one door to all verifiers: a prompt's source decides who checks its answers.

| source | checked by |
|---|---|
| `rlpipe/<family>` | `rlpipe.tasks.<family>.verify` |
| `reasoning_gym/<name>` | `rlpipe.tasks.reasoning_gym.verify` |
| `code/<name>`, `apps`, `codecontests`, `codeforces`, `taco` | `rlpipe.verifiers.code` |
| anything else | `rlpipe.verifiers.answer` |

A prompt whose `extra` says `ordered: true` (or whose `extra_info` does) has an answer whose bare lists have an order.
Families are imported by name when first needed, so a source costs nothing to those who do not use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from rlpipe.types import Prompt, Status, Verdict
from rlpipe.verifiers.answer import TRAINING, AnswerSpec, gold_status, verify_answer, verify_answers

CODE_SOURCES = frozenset(("apps", "codecontests", "codeforces", "taco"))


@lru_cache(maxsize=256)
def verifier_module(source: str) -> str:
    """The module that checks answers to prompts of this source.

    Raises: ValueError for an `rlpipe/` source without a task family.
    """
    head, _, rest = source.partition("/")
    if head == "rlpipe":
        name = f"rlpipe.tasks.{rest}"
        if not rest.isidentifier() or find_spec(name) is None:
            raise ValueError(f"source '{source}' names no task family: there is no rlpipe/tasks/{rest}.py")
        return name
    if head == "reasoning_gym":
        return "rlpipe.tasks.reasoning_gym"
    if head == "code" or source in CODE_SOURCES:
        return "rlpipe.verifiers.code"
    return "rlpipe.verifiers.answer"


def verify(prompt: Prompt, response: str, spec: AnswerSpec = TRAINING) -> Verdict:
    """The verdict on one response. `spec` is for short answers only: `TRAINING` or `EVALUATION` of `answer`.

    Raises: ValueError for an unknown task family. Nothing a policy writes raises: it is a wrong answer.
    """
    module = verifier_module(prompt.source)
    if module == "rlpipe.verifiers.answer":
        return verify_answer(response, prompt.answer, _spec_of(prompt, spec))
    return cast(Verdict, import_module(module).verify(prompt, response))


def verify_many(pairs: Sequence[tuple[Prompt, str]], spec: AnswerSpec = TRAINING) -> list[Verdict]:
    """Verdicts on `(prompt, response)` pairs, in order; symbolic answers and programs are checked side by side.

    Raises: as `verify`.
    """
    alike: dict[tuple[str, AnswerSpec], list[int]] = {}
    for i, (prompt, _) in enumerate(pairs):
        alike.setdefault((verifier_module(prompt.source), _spec_of(prompt, spec)), []).append(i)
    verdicts: dict[int, Verdict] = {}
    for (module, own), rows in alike.items():
        chosen = [pairs[i] for i in rows]
        verdicts.update(zip(rows, _verify_with(module, chosen, own), strict=True))
    return [verdicts[i] for i in range(len(pairs))]


def _spec_of(prompt: Prompt, spec: AnswerSpec) -> AnswerSpec:
    """The spec, with the order that the prompt declares."""
    if not prompt.extra:
        return spec
    info = prompt.extra.get("extra_info")
    declared = prompt.extra.get("ordered", info.get("ordered") if isinstance(info, Mapping) else None)
    return replace(spec, ordered=True) if declared is True and not spec.ordered else spec


def reference_status(prompt: Prompt) -> Status:
    """Whether answers to this prompt can be checked at all: `ok`, or why not. For curation, before anything is trained.

    `gold_unparseable`: no number, list, word or formula that math-verify reads, or no readable tests; `error`: tests
    without a test. Task families make references that their own verifier reads, and are taken at their word.

    Raises: ValueError for an unknown task family.
    """
    module = verifier_module(prompt.source)
    if module == "rlpipe.verifiers.answer":
        return gold_status(prompt.answer)
    return cast(Status, import_module(module).reference_status(prompt)) if module == "rlpipe.verifiers.code" else "ok"


def _verify_with(module: str, pairs: Sequence[tuple[Prompt, str]], spec: AnswerSpec) -> list[Verdict]:
    if module == "rlpipe.verifiers.answer":
        return verify_answers([(response, prompt.answer) for prompt, response in pairs], spec)
    checker = import_module(module)
    if hasattr(checker, "verify_many"):
        return cast(list[Verdict], checker.verify_many(pairs))
    return [checker.verify(prompt, response) for prompt, response in pairs]
