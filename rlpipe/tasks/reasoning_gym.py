"""Prompts from the reasoning-gym package, as rows that a verifier can judge on their own.

Source names are `reasoning_gym/<task>`. What its generators and scorers get wrong is handled here, once: see `draw` and
`verify`. Rows are materialised: `Problem.answer` holds the item, its configuration and the version of the package.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rlpipe.tasks.problem import Problem
from rlpipe.tasks.untrusted import is_formula, is_plain
from rlpipe.types import Prompt, Status, Verdict

if TYPE_CHECKING:
    from reasoning_gym.dataset import ProceduralDataset

VERSION = "1"
PREFIX = "reasoning_gym/"
STRIDE = 1_000_000  # item seeds between two draws; item i of a dataset with seed s is made from s + i
JUNK = ("", "garbage", "0", "[]", "None")
HASH_DEPENDENT = frozenset(
    {"isomorphic_strings", "knight_swap", "polynomial_multiplication", "ransom_note", "word_ladder"}
)
EVALUATED = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
PARSED = frozenset(
    {"countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24", "simple_integration"}
)


@dataclass(frozen=True)
class Drawn:
    """Problems of one draw, and the items left out: (item number, reason, question)."""

    problems: list[Problem] = field(default_factory=list)
    rejected: list[tuple[int, str, str]] = field(default_factory=list)


def generate(name: str, size: int, seed: int, config: dict[str, Any] | None = None) -> list[Problem]:
    """The usable problems among `size` items of a task; see `draw`."""
    return draw(name, size, seed, config).problems


def draw(name: str, size: int, seed: int, config: dict[str, Any] | None = None) -> Drawn:
    """`size` items of a task, without exact repetitions and without items whose scorer pays for junk.

    Item seeds are `seed * 1,000,000 + i`, so that draws with different seeds share no item; the package itself makes
    item i from `seed + i`, and two of its datasets with neighbouring seeds share all items but one. Tasks with few
    distinct questions still repeat themselves between draws: de-duplicate prompts across splits.

    Raises: ValueError for an unknown task or configuration, a size or seed out of range, or a task whose items depend
    on the hash seed while hashing is randomised.
    Differs: an item is left out where its scorer pays junk in full, not where it pays it a little: the reward is
    binary, and several scorers give any text 0.01.
    """
    if not 0 < size <= STRIDE or not 0 <= seed < 2**32 // STRIDE:
        limit = 2**32 // STRIDE
        raise ValueError(f"{PREFIX}{name}: size {size} must be 1 .. {STRIDE} and seed {seed} 0 .. {limit - 1}")
    _require_fixed_hashes(name)
    settings = json.dumps(config or {}, sort_keys=True)
    dataset = _dataset(name, settings, seed * STRIDE, size)
    drawn, seen = Drawn(), set()
    for i in range(size):
        item = dataset[i]
        question = item["question"]
        reason = "repeated" if question in seen else _pays_for_junk(dataset, item)
        if reason:
            drawn.rejected.append((i, reason, question))
            continue
        seen.add(question)
        drawn.problems.append(_problem(name, settings, item))
    return drawn


def _require_fixed_hashes(name: str) -> None:
    if name in HASH_DEPENDENT and sys.flags.hash_randomization:
        raise ValueError(
            f"{PREFIX}{name}: its items depend on Python's hash seed, which is random in this process; start Python "
            "with PYTHONHASHSEED=0 (in the environment, before it starts), or choose another task"
        )


@cache
def _dataset(name: str, settings: str, seed: int = 0, size: int = 1) -> ProceduralDataset:
    """A dataset of the package. Raises: ValueError naming the task, the configuration and the remedy."""
    from reasoning_gym.factory import DATASETS, create_dataset

    if name == "composite" or name not in DATASETS:
        known = ", ".join(sorted(set(DATASETS) - {"composite"}))
        raise ValueError(f"{PREFIX}{name}: no such task (mixtures are several sources); known: {known}")
    try:
        return create_dataset(name, seed=seed, size=size, **json.loads(settings))
    except (AssertionError, TypeError, ValueError) as error:
        raise ValueError(f"{PREFIX}{name}: configuration {settings} is refused: {error}") from error


def _problem(name: str, settings: str, item: dict[str, Any]) -> Problem:
    answer = {
        "config": json.loads(settings),
        "entry": _encode(item),
        "package": version("reasoning-gym"),
        "task": name,
    }
    text = item["question"]
    return Problem(text, json.dumps(answer, sort_keys=True, separators=(",", ":")), f"{PREFIX}{name} {text}", settings)


def _encode(value: Any) -> Any:
    """A value as JSON that `_decode` gives back unchanged: tuples and keys that are no text are kept as such."""
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _encode(v) for key, v in value.items()}
        return {"__items__": [[_encode(key), _encode(v)] for key, v in value.items()]}
    if isinstance(value, tuple):
        return {"__tuple__": [_encode(v) for v in value]}
    return [_encode(v) for v in value] if isinstance(value, list) else value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if "__items__" in value:
            return {_decode(key): _decode(v) for key, v in value["__items__"]}
        if "__tuple__" in value:
            return tuple(_decode(v) for v in value["__tuple__"])
        return {key: _decode(v) for key, v in value.items()}
    return [_decode(v) for v in value] if isinstance(value, list) else value


def _pays_for_junk(dataset: ProceduralDataset, item: dict[str, Any]) -> str | None:
    """Why an item cannot be used: its scorer pays in full for an answer that is none."""
    for junk in JUNK:
        if not _same(junk, item["answer"]) and _score(dataset, junk, item) == 1.0:
            return f"scorer pays for {junk!r}"
    return None


def _same(junk: str, answer: str | None) -> bool:
    """True where the junk happens to be the answer, in text or in value."""
    try:
        return junk == answer or float(junk) == float(answer or "nan")
    except ValueError:
        return False


def extract(response: str) -> str | None:
    """The answer in a response: the last `<answer>...</answer>`, else all of it, without thoughts and outer blanks.

    Thoughts end at the last `</think>`; None where they never end, or where nothing is left.
    """
    if "<think>" in response.rpartition("</think>")[2]:
        return None
    answer = response.rpartition("</think>")[2]
    _, opened, tail = answer.rpartition("<answer>")
    if opened and "</answer>" in tail:
        answer = tail.partition("</answer>")[0]
    return answer.strip() or None


def verify(prompt: Prompt, response: str) -> Verdict:
    """Score a response with the task's own scorer: 1 where it pays in full, else 0.

    Several scorers run the answer through `eval` or sympy; such an answer is looked at first and is `wrong` unless it
    is a plain literal or a small formula. A scorer that raises never pays: the answer is `wrong` where the scorer can
    still score the reference (it could not read this text), else the row or the scorer is at fault and it is `error`.
    """
    given = json.loads(prompt.answer)
    name = given["task"]

    def verdict(score: float, status: Status, answer: str | None) -> Verdict:
        return Verdict(score, status, answer, answer, f"reasoning_gym/{name}", f"{VERSION}+{given['package']}")

    answer = extract(response)
    if answer is None:
        return verdict(0.0, "no_answer", None)
    safe = is_plain(answer) if name in EVALUATED else is_formula(answer) if name in PARSED else True
    if not safe:
        return verdict(0.0, "wrong", answer)
    dataset = _dataset(name, json.dumps(given["config"], sort_keys=True))
    item = _decode(given["entry"])
    score = _score(dataset, answer, item)
    if score is None and _score(dataset, item["answer"], item) != 1.0:
        return verdict(0.0, "error", answer)
    return verdict(1.0, "ok", answer) if score == 1.0 else verdict(0.0, "wrong", answer)


def _score(dataset: ProceduralDataset, answer: str | None, item: dict[str, Any]) -> float | None:
    """The scorer's score, None where it raises: the scorer is not ours and reads untrusted text."""
    try:
        return float(dataset.score_answer(answer, item))
    except Exception:
        return None
