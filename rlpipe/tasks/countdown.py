"""Countdown modulo p: use every given number exactly once, write each step, reach the target.

To the prompt `make mod5 3 from 1 2 4` the response `4 + 1 = 0 ; 0 - 2 = 3` is right, `4 + 2 = 1 ; 1 + 2 = 3` is wrong
(2 used twice) and `1 * 4 = 4 ; 4 - 2 = 2` is wrong (2 is not 3). Several problems in one prompt are joined by `and`, in
the prompt and in the response, and must all be right. Numbers and problems are given in ascending order, so that no
reordering of a held-out prompt is ever trained on.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from math import comb

from rlpipe.tasks.arithmetic import AND, COMMUTATIVE, OPERATIONS, STEP, apply, is_number, modulus_word, split
from rlpipe.tasks.arithmetic import words as arithmetic_words
from rlpipe.tasks.problem import Problem
from rlpipe.types import Prompt, Verdict

VERSION = "2"
LEAD = "make"
State = tuple[int, ...]
Task = tuple[State, int]


@dataclass(frozen=True)
class Level:
    """`numbers` per problem, `problems` per prompt, arithmetic modulo `modulus`."""

    numbers: int
    problems: int = 1
    modulus: int = 5


LEVELS: dict[str, Level] = {
    "c2": Level(2),
    "c3": Level(3),
    "c4": Level(4),
    "c5": Level(5),
    "c6": Level(6),
    "c2x2": Level(2, 2),
    "c2x3": Level(2, 3),
    "c3x2": Level(3, 2),
    "c3x3": Level(3, 3),
    "c4x2": Level(4, 2),
    "c2p7": Level(2, 1, 7),
    "c3p7": Level(3, 1, 7),
    "c4p7": Level(4, 1, 7),
    "c5p7": Level(5, 1, 7),
    "c2x2p7": Level(2, 2, 7),
    "c3x2p7": Level(3, 2, 7),
    "easy": Level(2, 2),
    "hard": Level(3, 2),
}


@cache
def _moves(state: State, modulus: int) -> tuple[tuple[str, State], ...]:
    """Every step that reads differently, `a op b = c`, with the sorted values left after it."""
    moves = {}
    for i, a in enumerate(state):
        for j, b in enumerate(state):
            if i == j:
                continue
            rest = [v for k, v in enumerate(state) if k not in (i, j)]
            for op in OPERATIONS:
                c = apply(a, op, b, modulus)
                moves[f"{a} {op} {b} = {c}"] = tuple(sorted([*rest, c]))
    return tuple(moves.items())


@cache
def solutions(state: State, target: int, modulus: int) -> int:
    """Number of solutions that read differently."""
    if len(state) == 1:
        return int(state[0] == target)
    return sum(solutions(left, target, modulus) for _, left in _moves(state, modulus))


@cache
def _choices(state: State, target: int, modulus: int) -> tuple[list[tuple[str, State]], list[int]]:
    """Steps from which the target can be reached, with the number of ways to go on after each."""
    weighted = [(m, solutions(m[1], target, modulus)) for m in _moves(state, modulus)]
    return [m for m, n in weighted if n], [n for _, n in weighted if n]


@cache
def tasks(numbers: int, modulus: int) -> tuple[Task, ...]:
    """Every solvable (numbers, target), in ascending order."""
    return tuple(
        (state, target)
        for state in combinations_with_replacement(range(modulus), numbers)
        for target in range(modulus)
        if solutions(state, target, modulus)
    )


def space(level: str) -> int:
    """Number of distinct keys of a level, exactly: multisets of solvable problems."""
    at = LEVELS[level]
    return comb(len(tasks(at.numbers, at.modulus)) + at.problems - 1, at.problems)


def generate(rng: random.Random, level: str) -> Problem:
    """A solvable problem; each part is drawn uniformly from the solvable (numbers, target)."""
    at = LEVELS[level]
    parts = sorted(rng.choice(tasks(at.numbers, at.modulus)) for _ in range(at.problems))
    asked = f" {AND} ".join(f"{target} from {' '.join(map(str, state))}" for state, target in parts)
    text = f"{LEAD} {modulus_word(at.modulus)} {asked}"
    answer = json.dumps({"modulus": at.modulus, "problems": [[list(s), t] for s, t in parts]}, separators=(",", ":"))
    return Problem(text=text, answer=answer, key=f"countdown {text}", level=level)


def demonstrate(problem: Problem, rng: random.Random) -> str:
    """A solution drawn uniformly from all that read differently: no fixed order, no preferred operation."""
    given = json.loads(problem.answer)
    return f" {AND} ".join(_solve(tuple(s), t, given["modulus"], rng) for s, t in given["problems"])


def _solve(state: State, target: int, modulus: int, rng: random.Random) -> str:
    steps = []
    while len(state) > 1:
        moves, weights = _choices(state, target, modulus)
        step, state = rng.choices(moves, weights)[0]
        steps.append(step)
    return f" {STEP} ".join(steps)


def verify(prompt: Prompt, response: str) -> Verdict:
    """Replay the steps strictly: 1 where every problem's steps are exact and end at its target, else 0.

    A response in which no problem starts with a well-formed step is `no_answer`; anything else that fails is `wrong`,
    so text before, between or after the steps never pays. `canonical` is the solution up to the order of the operands
    of `+` and `*` and of independent steps; of a wrong answer the steps as written, up to that order of operands. A
    value that is both given and computed counts as the computed one.
    """
    given = json.loads(prompt.answer)
    parts = split(response.split(), AND)
    if not any(_step(split(part, STEP)[0], given["modulus"]) for part in parts):
        return Verdict(0.0, "no_answer", verifier="countdown", version=VERSION)
    trees = None
    if len(parts) == len(given["problems"]):
        pairs = zip(parts, given["problems"], strict=True)
        trees = [_replay(part, numbers, target, given["modulus"]) for part, (numbers, target) in pairs]
    extracted = " ".join(response.split())
    if trees is None or None in trees:
        return Verdict(0.0, "wrong", extracted, _as_written(parts, given["modulus"]), "countdown", VERSION)
    return Verdict(1.0, "ok", extracted, f" {AND} ".join(map(str, trees)), verifier="countdown", version=VERSION)


def _step(step: Sequence[str], modulus: int) -> tuple[int, str, int, int] | None:
    """`a op b = c` as values, or None where it is not of that form."""
    if len(step) != 5 or step[1] not in OPERATIONS or step[3] != "=":
        return None
    if not all(is_number(step[i], modulus) for i in (0, 2, 4)):
        return None
    return int(step[0]), step[1], int(step[2]), int(step[4])


def _as_written(parts: list[list[str]], modulus: int) -> str:
    """Steps in their order, operands of `+` and `*` in ascending order; other words as they are."""
    written = []
    for part in parts:
        steps = []
        for piece in split(part, STEP):
            step = _step(piece, modulus)
            swap = step is not None and step[1] in COMMUTATIVE and step[0] > step[2]
            steps.append(" ".join([piece[2], piece[1], piece[0], *piece[3:]] if swap else piece))
        written.append(f" {STEP} ".join(steps))
    return f" {AND} ".join(written)


def _replay(part: list[str], numbers: list[int], target: int, modulus: int) -> str | None:
    """The tree of a right solution, or None."""
    available = [(n, str(n)) for n in numbers]
    for piece in split(part, STEP):
        step = _step(piece, modulus)
        if step is None:
            return None
        a, op, b, c = step
        left, right = _take(available, a), _take(available, b)
        if left is None or right is None or apply(a, op, b, modulus) != c:
            return None
        operands = sorted([left, right]) if op in COMMUTATIVE else [left, right]
        available.append((c, f"({operands[0]} {op} {operands[1]})"))
    return available[0][1] if len(available) == 1 and available[0][0] == target else None


def _take(available: list[tuple[int, str]], value: int) -> str | None:
    """Remove the latest entry with this value and return its tree, or None."""
    for i in range(len(available) - 1, -1, -1):
        if available[i][0] == value:
            return available.pop(i)[1]
    return None


def words() -> list[str]:
    return [LEAD, "from", *arithmetic_words([at.modulus for at in LEVELS.values()])]
