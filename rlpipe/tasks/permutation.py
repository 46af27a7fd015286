"""Permutation puzzles: turn one sequence of letters into another with few moves, writing the sequence after each.

The prompt `turn c a b into a b c by swap within 4` allows exchanges of neighbours; a right response is
`s1 a c b ; s2 a b c`. Moves are `s1` (exchange places 1 and 2), `s2`, ... under `swap`, `r2` (reverse the first two),
`r3`, ... under `flip`, and all of them (without `r2`, which is `s1`) under `both`. The limit lies above the fewest
moves that do, so that many sequences are right.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import permutations
from math import comb, factorial

from rlpipe.tasks.arithmetic import STEP, split
from rlpipe.tasks.problem import Problem
from rlpipe.types import Prompt, Verdict

VERSION = "2"
LETTERS = "abcdefgh"
LONGEST = len(LETTERS)
Order = tuple[int, ...]


@dataclass(frozen=True)
class Level:
    """Sequences of `length` letters that need `least` to `most` moves of a `kind`; `slack` more are allowed.

    With `sort` the goal is alphabetical order, else any order.
    """

    length: int
    kind: str = "swap"
    least: int = 1
    most: int = 3
    slack: int = 2
    sort: bool = True


LEVELS: dict[str, Level] = {
    "s3": Level(3, "swap"),
    "s4": Level(4, "swap"),
    "s5": Level(5, "swap"),
    "s3any": Level(3, "swap", sort=False),
    "s4any": Level(4, "swap", sort=False),
    "s5any": Level(5, "swap", sort=False),
    "f3": Level(3, "flip"),
    "f4": Level(4, "flip"),
    "f5": Level(5, "flip"),
    "f3any": Level(3, "flip", sort=False),
    "f4any": Level(4, "flip", sort=False),
    "f5any": Level(5, "flip", sort=False),
    "b3": Level(3, "both"),
    "b4": Level(4, "both"),
    "b5": Level(5, "both"),
    "b3any": Level(3, "both", sort=False),
    "b4any": Level(4, "both", sort=False),
    "b5any": Level(5, "both", sort=False),
    "easy": Level(4, "swap", 1, 2, sort=False),
    "hard": Level(5, "swap", 3, 4, sort=False),
}


@cache
def moves(kind: str, length: int) -> dict[str, Order]:
    """The moves of a kind: from name to the places the letters come from. Raises: ValueError for an unknown kind."""
    swaps = {f"s{i + 1}": (*range(i), i + 1, i, *range(i + 2, length)) for i in range(length - 1)}
    flips = {f"r{k}": (*range(k - 1, -1, -1), *range(k, length)) for k in range(2, length + 1)}
    if kind == "swap":
        return swaps
    if kind == "flip":
        return flips
    if kind == "both":
        return {**swaps, **{name: order for name, order in flips.items() if name != "r2"}}
    raise ValueError(f"kind {kind!r}: moves are of kind swap, flip or both")


def _apply(order: Order, items: Sequence[int]) -> Order:
    return tuple(items[i] for i in order)


@cache
def _distances(kind: str, length: int) -> dict[Order, int]:
    """Fewest moves from each order to the sorted one (every move is its own inverse)."""
    found, frontier = {tuple(range(length)): 0}, [tuple(range(length))]
    while frontier:
        reached = [(_apply(m, state), found[state] + 1) for state in frontier for m in moves(kind, length).values()]
        frontier = []
        for state, distance in reached:
            if state not in found:
                found[state] = distance
                frontier.append(state)
    return found


@cache
def _starts(level: Level) -> tuple[Order, ...]:
    at_distance = _distances(level.kind, level.length)
    return tuple(p for p in permutations(range(level.length)) if level.least <= at_distance[p] <= level.most)


@cache
def _choices(state: Order, left: int, kind: str, last: str) -> tuple[list[tuple[str, Order]], list[int]]:
    """Moves after which the sorted order can be reached within `left` moves in all, and in how many ways after each.

    The move just made is left out: it would only be undone.
    """
    reached = [(name, _apply(order, state)) for name, order in moves(kind, len(state)).items() if name != last]
    ways = [_ways(after, left - 1, kind, name) for name, after in reached]
    return [r for r, n in zip(reached, ways, strict=True) if n], [n for n in ways if n]


@cache
def _ways(state: Order, left: int, kind: str, last: str) -> int:
    """Number of sequences of at most `left` moves that first reach the sorted order with their last move.

    No move is undone by the next.
    """
    if _distances(kind, len(state))[state] == 0:
        return 1
    return sum(_choices(state, left, kind, last)[1]) if left > 0 else 0


def space(level: str) -> int:
    """Number of distinct keys of a level, exactly."""
    at = LEVELS[level]
    goals = 1 if at.sort else factorial(at.length)
    return comb(LONGEST, at.length) * goals * len(_starts(at))


def generate(rng: random.Random, level: str) -> Problem:
    """Letters, goal and start drawn uniformly."""
    at = LEVELS[level]
    letters = sorted(rng.sample(LETTERS, at.length))
    if not at.sort:
        rng.shuffle(letters)
    order = rng.choice(_starts(at))
    start = [letters[i] for i in order]
    limit = _distances(at.kind, at.length)[order] + at.slack
    text = f"turn {' '.join(start)} into {' '.join(letters)} by {at.kind} within {limit}"
    answer = {"goal": letters, "kind": at.kind, "limit": limit, "start": start}
    return Problem(text, json.dumps(answer, separators=(",", ":")), f"permutation {text}", level)


def demonstrate(problem: Problem, rng: random.Random) -> str:
    """A solution drawn uniformly from all within the limit that stop at the goal and undo no move with the next."""
    given = json.loads(problem.answer)
    state = tuple(given["goal"].index(letter) for letter in given["start"])
    left, name = given["limit"], ""
    steps: list[str] = []
    while not steps or state != tuple(range(len(state))):
        choices, weights = _choices(state, left, given["kind"], name)
        name, state = rng.choices(choices, weights)[0]
        steps.append(" ".join([name, *(given["goal"][i] for i in state)]))
        left -= 1
    return f" {STEP} ".join(steps)


def verify(prompt: Prompt, response: str) -> Verdict:
    """Replay the moves strictly: every sequence written must be what its move gives, and the last the goal.

    A response that does not begin with a move and a sequence is `no_answer`. `canonical` is the moves, with exchanges
    that do not touch each other in ascending order; of a wrong answer, moves and sequences as written.
    """
    given = json.loads(prompt.answer)
    length = len(given["goal"])
    steps = split(response.split(), STEP)
    known = moves(given["kind"], length)
    if steps[0][:1] == [] or steps[0][0] not in known or len(steps[0]) != length + 1:
        return Verdict(0.0, "no_answer", verifier="permutation", version=VERSION)
    names, extracted = [step[0] for step in steps if step], " ".join(response.split())
    if len(steps) > given["limit"] or not _replays(steps, given["start"], given["goal"], known):
        return Verdict(0.0, "wrong", extracted, extracted, "permutation", VERSION)
    return Verdict(1.0, "ok", extracted, " ".join(_normal(names)), "permutation", VERSION)


def _replays(steps: list[list[str]], start: list[str], goal: list[str], known: dict[str, Order]) -> bool:
    state = start
    for step in steps:
        if not step or step[0] not in known:
            return False
        state = [state[i] for i in known[step[0]]]
        if step[1:] != state:
            return False
    return state == goal


def _normal(names: list[str]) -> list[str]:
    """The first in alphabetical order of all sequences that differ by exchanging independent neighbours."""
    rest, normal = list(names), []
    while rest:
        free = [i for i, name in enumerate(rest) if all(_independent(name, before) for before in rest[:i])]
        normal.append(rest.pop(min(free, key=lambda i: (rest[i], i))))
    return normal


def _independent(a: str, b: str) -> bool:
    return a[0] == b[0] == "s" and abs(int(a[1:]) - int(b[1:])) > 1


def words() -> list[str]:
    """All words of all levels; limits are numbers up to the largest of any level."""
    limits = range(1, max(at.most + at.slack for at in LEVELS.values()) + 1)
    names = {name for at in LEVELS.values() for name in moves(at.kind, at.length)}
    fixed = ["turn", "into", "by", "within", "swap", "flip", "both", STEP]
    return [*fixed, *LETTERS, *sorted(names), *map(str, limits)]
