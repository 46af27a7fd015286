"""Whether two sympy objects are equal: by their values at points, to a relative precision, never to an absolute one.

Two expressions that agree to 35 significant digits at every point tried are equal; 1e-30 and 1e-40 do not agree to one.
Equations are equal when they are multiples of each other or have the same solutions in every unknown.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

DIGITS = 50  # of every evaluation, and more for longer decimals
AGREEING = 35
POINTS = 6
LARGE = 12  # decimal logarithm of values that are looked at with more digits
NEEDED = 3  # points where both sides have a value

Number = tuple[Any, Any]  # real and imaginary part


def same(gold: Any, answer: Any, digits: int = DIGITS) -> bool:
    """Equality of expressions, equations, inequalities, sets, tuples and matrices, as math-verify reads them."""
    from sympy import Basic, Expr, FiniteSet, MatrixBase, Set, Tuple
    from sympy.logic.boolalg import Boolean

    if isinstance(gold, MatrixBase) or isinstance(answer, MatrixBase):
        both = isinstance(gold, MatrixBase) and isinstance(answer, MatrixBase) and gold.shape == answer.shape
        return both and all(same(a, b, digits) for a, b in zip(gold.flat(), answer.flat(), strict=True))
    if not (isinstance(gold, Basic) and isinstance(answer, Basic)):
        return False
    if any(isinstance(side, Boolean) and not isinstance(side, Expr) for side in (gold, answer)):
        return _same_relation(gold, answer, digits)
    if isinstance(gold, Tuple) and isinstance(answer, Tuple):
        return len(gold) == len(answer) and all(same(a, b, digits) for a, b in zip(gold, answer, strict=True))
    if isinstance(gold, FiniteSet) and isinstance(answer, FiniteSet):
        return _matched(list(gold.args), list(answer.args), digits)
    if isinstance(gold, Set | Tuple) or isinstance(answer, Set | Tuple):
        return _same_set(gold, answer, digits)
    return _same_value(gold, answer, digits)


def _matched(gold: list[Any], answer: list[Any], digits: int) -> bool:
    for one in gold:
        partner = next((i for i, other in enumerate(answer) if same(one, other, digits)), None)
        if partner is None:
            return False
        del answer[partner]
    return not answer


def _same_set(gold: Any, answer: Any, digits: int) -> bool:
    from sympy import Interval, Set, Union

    if isinstance(gold, Interval) and isinstance(answer, Interval):
        open_alike = (gold.left_open, gold.right_open) == (answer.left_open, answer.right_open)
        return open_alike and same(gold.start, answer.start, digits) and same(gold.end, answer.end, digits)
    if isinstance(gold, Union) and isinstance(answer, Union):
        return _matched(list(gold.args), list(answer.args), digits)
    if not (isinstance(gold, Set) and isinstance(answer, Set)):
        return False
    return bool(gold == answer or gold.symmetric_difference(answer).is_empty)


def _same_value(gold: Any, answer: Any, digits: int) -> bool:
    """Whether two expressions have the same value wherever both are tried."""
    if gold == answer:
        return not gold.has(*_undefined())
    found = _common_size(gold, answer, digits, AGREEING)
    if found is None or found <= LARGE:
        return found is not None
    more = int(found) + 1  # digits before the point: what is added to a large number is not lost
    return _common_size(gold, answer, digits + more, AGREEING + more) is not None


def _common_size(gold: Any, answer: Any, digits: int, agreeing: int) -> float | None:
    """The decimal logarithm of the largest value, if both sides have the same at every point; else None."""
    from sympy import log

    tried, largest = 0, -1.0
    names = _symbols(gold, answer)
    for i in range(POINTS if names else 1):
        point = _point(names, i)
        one, other = _value(gold, point, digits), _value(answer, point, digits)
        if one is None or other is None:
            continue
        if not _near(one, other, agreeing):
            return None
        tried += 1
        size = max(abs(part) for part in one)
        largest = max(largest, float(log(size, 10).evalf()) if size else largest)
    return largest if tried >= (NEEDED if names else 1) else None


def _undefined() -> tuple[Any, ...]:
    from sympy import nan, zoo

    return nan, zoo


def _symbols(*expressions: Any) -> list[str]:
    return sorted(
        {symbol.name for e in expressions for symbol in e.free_symbols}
        | {str(f) for e in expressions for f in _applied(e)}
    )


def _applied(expression: Any) -> set[Any]:
    from sympy.core.function import AppliedUndef

    return set(expression.atoms(AppliedUndef))


def _values(expression: Any, other: Any, digits: int) -> list[Number | None]:
    """Values at points that depend on the names of the unknowns of both alone; None where there is no number."""
    names = _symbols(expression, other)
    count = POINTS if names else 1
    return [_value(expression, _point(names, i), digits) for i in range(count)]


def _point(names: list[str], index: int) -> dict[str, Any]:
    """Fractions of mixed signs and sizes, so that no identity holds by accident."""
    from sympy import Rational

    signs = (1, 1, -1, 1, -1, 1)
    return {
        name: Rational(
            signs[(index + (i if index > 2 else 0)) % 6] * (1009 * (i + 2) + 677 * index + 89),
            997 + 131 * index + 17 * i,
        )
        for i, name in enumerate(names)
    }


def _value(expression: Any, point: dict[str, Any], digits: int) -> Number | None:
    known = {a: point[str(a)] for a in _applied(expression)} if point else {}
    found = expression.xreplace(known) if known else expression
    found = found.xreplace({s: point[s.name] for s in found.free_symbols})
    found = found.doit().evalf(digits, maxn=4 * digits)
    real, imaginary = found.as_real_imag()
    if not (real.is_Number and imaginary.is_Number and real.is_finite and imaginary.is_finite):
        return None
    return _settled(real), _settled(imaginary)


def _settled(part: Any) -> Any:
    """Zero for a number of which no digit is certain: what evaluation leaves of a difference that cancels."""
    return 0 if part == 0 or (part.is_Float and part._prec < 20) else part


def _near(one: Number, other: Number, agreeing: int = AGREEING) -> bool:
    from sympy import Float

    bound = Float(10, 40) ** -agreeing
    size = max(abs(part) for part in (*one, *other))
    return size == 0 or all(abs(a - b) <= bound * size for a, b in zip(one, other, strict=True))


def _same_relation(gold: Any, answer: Any, digits: int) -> bool:
    from sympy import And, Eq, Expr, Ne
    from sympy.core.relational import Relational

    if isinstance(gold, And) and isinstance(answer, And):
        return _matched(list(gold.args), list(answer.args), digits)
    if isinstance(gold, Eq) and isinstance(answer, Expr) and gold.lhs.is_Symbol:
        return same(gold.rhs, answer, digits)
    if isinstance(answer, Eq) and isinstance(gold, Expr) and answer.lhs.is_Symbol:
        return same(gold, answer.rhs, digits)
    if not (isinstance(gold, Relational) and isinstance(answer, Relational)):
        return False
    if isinstance(gold, Eq | Ne) or isinstance(answer, Eq | Ne):
        return type(gold) is type(answer) and _same_equation(gold, answer, digits)
    strict = [relation.rel_op in ("<", ">") for relation in (gold, answer)]
    return strict[0] == strict[1] and _multiple(_below(gold), _below(answer), digits) == 1


def _below(relation: Any) -> Any:
    """What is less than (or equal to) zero."""
    difference = relation.lhs - relation.rhs
    return difference if relation.rel_op in ("<", "<=") else -difference


def _same_equation(gold: Any, answer: Any, digits: int) -> bool:
    one, other = gold.lhs - gold.rhs, answer.lhs - answer.rhs
    return _multiple(one, other, digits) != 0 or _same_solutions(one, other, digits)


def _multiple(one: Any, other: Any, digits: int) -> int:
    """The sign of the constant that one is of the other; 0 where it is none, or where nothing depends on an unknown."""
    pairs = [(a, b) for a, b in zip(_values(one, other, digits), _values(other, one, digits), strict=True) if a and b]
    if len(pairs) < NEEDED or not (one.free_symbols and other.free_symbols):
        return 0
    if any(not any(a) or not any(b) for a, b in pairs) or not all(_parallel(p, q) for p, q in pairwise(pairs)):
        return 0
    (a, _), (b, _) = pairs[0]
    return 1 if a * b > 0 else -1


def _parallel(first: tuple[Number, Number], second: tuple[Number, Number]) -> bool:
    """Whether the ratio of both pairs of values is one."""
    return _near(_product(first[0], second[1]), _product(first[1], second[0]))


def _product(one: Number, other: Number) -> Number:
    return one[0] * other[0] - one[1] * other[1], one[0] * other[1] + one[1] * other[0]


def _same_solutions(one: Any, other: Any, digits: int) -> bool:
    from sympy import solve

    if one.free_symbols != other.free_symbols:
        return False
    for unknown in sorted(one.free_symbols, key=str):
        found = [solve(equation, unknown) for equation in (one, other)]
        if not found[0] or not _matched(found[0], found[1], digits):
            return False
    return True
