"""Evaluate an expression modulo p, at once or in writing.

The prompt `eval mod5 3 + 4 * 2` is read from left to right; `calc mod5 3 + 4 * 2` gives `*` precedence. The answer
follows the word `answer`; what comes before it is free. Demonstrations come in styles that differ in how hard they are
to get right: at once (`answer 4`), running values (`2 4 answer 4`), leaps of two operations (`3 + 4 * 2 = 4 answer 4`)
and single steps (`3 + 4 = 2 ; 2 * 2 = 4 answer 4`), so that a policy has reliable and unreliable habits to choose from.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import comb

from rlpipe.tasks.arithmetic import AND, OPERATIONS, STEP, apply, is_number, modulus_word, split
from rlpipe.tasks.arithmetic import words as arithmetic_words
from rlpipe.tasks.problem import Problem
from rlpipe.types import Prompt, Status, Verdict

VERSION = "2"
LEFT, PRECEDENCE, MARKER = "eval", "calc", "answer"
TWO_STYLES: Mapping[str, float] = {"once": 0.35, "steps": 0.65}
FOUR_STYLES: Mapping[str, float] = {"once": 0.25, "running": 0.25, "leaps": 0.25, "steps": 0.25}


@dataclass(frozen=True)
class Level:
    """`operands` per expression, `problems` per prompt, arithmetic modulo `modulus`, share of each style.

    With `precedence`, `*` binds tighter than `+` and `-`, and a written solution may reduce in any valid order.
    """

    operands: int
    problems: int = 1
    modulus: int = 5
    precedence: bool = False
    styles: Mapping[str, float] = field(default_factory=lambda: TWO_STYLES)

    def __post_init__(self) -> None:
        known = {"once", "running", "steps"} if self.precedence else {"once", "running", "leaps", "steps"}
        if not set(self.styles) <= known:
            raise ValueError(f"styles {sorted(self.styles)}: this order of operations has {sorted(known)}")


LEVELS: dict[str, Level] = {
    "e2": Level(2),
    "e3": Level(3),
    "e4": Level(4),
    "e5": Level(5),
    "e6": Level(6),
    "e7": Level(7),
    "e8": Level(8),
    "e9": Level(9),
    "e2x2": Level(2, 2),
    "e2x3": Level(2, 3),
    "e3x2": Level(3, 2),
    "e3x3": Level(3, 3),
    "e4x2": Level(4, 2),
    "e5x2": Level(5, 2),
    "e3s4": Level(3, styles=FOUR_STYLES),
    "e4s4": Level(4, styles=FOUR_STYLES),
    "e5s4": Level(5, styles=FOUR_STYLES),
    "e6s4": Level(6, styles=FOUR_STYLES),
    "e7s4": Level(7, styles=FOUR_STYLES),
    "e3x2s4": Level(3, 2, styles=FOUR_STYLES),
    "e4x2s4": Level(4, 2, styles=FOUR_STYLES),
    "e5x2s4": Level(5, 2, styles=FOUR_STYLES),
    "e2p7": Level(2, modulus=7),
    "e3p7": Level(3, modulus=7),
    "e4p7": Level(4, modulus=7),
    "e5p7": Level(5, modulus=7),
    "e6p7": Level(6, modulus=7),
    "e3x2p7": Level(3, 2, modulus=7),
    "e4x2p7": Level(4, 2, modulus=7),
    "prec2": Level(2, precedence=True),
    "prec3": Level(3, precedence=True),
    "prec4": Level(4, precedence=True),
    "prec5": Level(5, precedence=True),
    "prec6": Level(6, precedence=True),
    "prec7": Level(7, precedence=True),
    "prec3x2": Level(3, 2, precedence=True),
    "prec4x2": Level(4, 2, precedence=True),
    "easy": Level(3),
    "hard": Level(4, 2),
}


def space(level: str) -> int:
    """Number of distinct keys of a level, exactly: multisets of expressions."""
    at = LEVELS[level]
    one = int(at.modulus**at.operands * len(OPERATIONS) ** (at.operands - 1))
    return comb(one + at.problems - 1, at.problems)


def generate(rng: random.Random, level: str) -> Problem:
    """Operands and operators drawn uniformly; the expressions of one prompt in ascending order."""
    at = LEVELS[level]
    expressions = sorted(_draw(rng, at) for _ in range(at.problems))
    lead = PRECEDENCE if at.precedence else LEFT
    text = f"{lead} {modulus_word(at.modulus)} " + f" {AND} ".join(expressions)
    answer = {
        "answers": [evaluate(e.split(), at.modulus, at.precedence) for e in expressions],
        "expressions": expressions,
        "modulus": at.modulus,
        "precedence": at.precedence,
    }
    return Problem(text, json.dumps(answer, separators=(",", ":")), f"expression {text}", level)


def _draw(rng: random.Random, at: Level) -> str:
    items = [str(rng.randrange(at.modulus))]
    for _ in range(at.operands - 1):
        items += [rng.choice(list(OPERATIONS)), str(rng.randrange(at.modulus))]
    return " ".join(items)


def evaluate(items: Sequence[str], modulus: int, precedence: bool) -> int:
    """Value of an expression given as words, in 0 .. modulus - 1."""
    rest = list(items)
    while len(rest) > 1:
        _reduce(rest, _reducible(rest, precedence)[0], modulus)
    return int(rest[0])


def _reducible(items: Sequence[str], precedence: bool) -> list[int]:
    """Places of the operators that may be applied next without changing the value of the expression."""
    operators = range(1, len(items), 2)
    if not precedence:
        return [1]
    return [i for i in operators if items[i] == "*"] or _summable(items)


def _summable(items: Sequence[str]) -> list[int]:
    """In a chain of `+` and `-`: the first operator, and every one whose left operand is added, not subtracted."""
    return [i for i in range(1, len(items), 2) if i == 1 or items[i - 2] == "+"]


def _reduce(items: list[str], at: int, modulus: int) -> str:
    """Apply the operator at place `at` of the expression, in place; returns the step as written."""
    a, op, b = items[at - 1 : at + 2]
    c = apply(int(a), op, int(b), modulus)
    items[at - 1 : at + 2] = [str(c)]
    return f"{a} {op} {b} = {c}"


def demonstrate(problem: Problem, rng: random.Random) -> str:
    """A right response; one style per response, drawn with the shares of the level."""
    given = json.loads(problem.answer)
    styles = LEVELS[problem.level].styles
    style = rng.choices(list(styles), list(styles.values()))[0]
    parts = []
    for expression, answer in zip(given["expressions"], given["answers"], strict=True):
        work = _work(expression.split(), style, given["modulus"], given["precedence"], rng)
        parts.append(f"{work} {MARKER} {answer}".strip())
    return f" {AND} ".join(parts)


def _work(items: list[str], style: str, modulus: int, precedence: bool, rng: random.Random) -> str:
    """What is written before the answer."""
    if style == "once":
        return ""
    if style == "leaps":
        return f" {STEP} ".join(_leaps(items, modulus))
    steps = []
    while len(items) > 1:
        steps.append(_reduce(items, rng.choice(_reducible(items, precedence)), modulus))
    if style == "running":
        return " ".join(step.split()[-1] for step in steps)
    return f" {STEP} ".join(steps)


def _leaps(items: list[str], modulus: int) -> list[str]:
    """Steps of two operations, from left to right; the last may be of one."""
    steps = []
    while len(items) > 1:
        taken, rest = items[:5], items[5:]
        value = evaluate(taken, modulus, False)
        steps.append(f"{' '.join(taken)} = {value}")
        items = [str(value), *rest]
    return steps


def verify(prompt: Prompt, response: str) -> Verdict:
    """Compare the number after the word `answer`, which must be the last word of each problem's part.

    The work before it is not checked; `canonical` is the answers alone, `solution` the words of the response. A part
    without `answer <number>` at its end, or another number of parts than expressions, is `no_answer`.
    """
    given = json.loads(prompt.answer)
    parts = split(response.split(), AND)
    answers = [_answer(part, given["modulus"]) for part in parts]
    if None in answers or len(parts) != len(given["answers"]):
        return Verdict(0.0, "no_answer", verifier="expression", version=VERSION)
    extracted = " ".join(map(str, answers))
    written = " ".join(response.split())
    right = answers == given["answers"]
    status: Status = "ok" if right else "wrong"
    return Verdict(float(right), status, extracted, extracted, "expression", VERSION, solution=written)


def _answer(part: Sequence[str], modulus: int) -> int | None:
    if len(part) < 2 or part[-2] != MARKER or part.count(MARKER) != 1 or not is_number(part[-1], modulus):
        return None
    return int(part[-1])


def words() -> list[str]:
    return [LEFT, PRECEDENCE, MARKER, *arithmetic_words([at.modulus for at in LEVELS.values()])]
