"""Whether an answer may be handed to a scorer that evaluates it.

Some scorers of reasoning-gym call `eval` or sympy's parser on what the policy wrote: that would run its code, or hang
on `9**9**9`. Only answers that pass these checks get there.
"""

from __future__ import annotations

import ast
import re

LONGEST = 2_000
LARGEST = 10**9
LARGEST_EXPONENT = 100
FUNCTIONS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "cot",
        "sec",
        "csc",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "exp",
        "log",
        "ln",
        "sqrt",
    ]
)
_PLAIN = re.compile(r"[A-Za-z0-9_.,'\"\[\]\s-]*")
_NODES = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Name, ast.Call, ast.Load)
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.UAdd, ast.USub)


def is_plain(answer: str) -> bool:
    """True where the text holds only words, numbers, quotes and brackets: evaluating it calls and computes nothing."""
    return len(answer) <= LONGEST and _PLAIN.fullmatch(answer) is not None and ".__" not in answer


def is_formula(answer: str) -> bool:
    """True where the text is a small formula: numbers, names, `+ - * / **`, brackets and elementary functions.

    Numbers are at most a thousand million, exponents at most a hundred and without powers of their own.
    """
    if len(answer) > LONGEST:
        return False
    try:
        tree = ast.parse(answer.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_allowed(node) for node in ast.walk(tree))


def _allowed(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return _within(node.value, LARGEST)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords
    if isinstance(node, ast.Name):
        return "__" not in node.id
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        return all(_small(part) for part in ast.walk(node.right))
    return isinstance(node, _NODES + _OPERATORS)


def _within(value: object, largest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= largest


def _small(node: ast.AST) -> bool:
    """True in an exponent: no further power, no number above the largest exponent."""
    if isinstance(node, ast.Constant):
        return _within(node.value, LARGEST_EXPONENT)
    return not isinstance(node, ast.Pow)
