"""Whether two answers that were read are one; what is left open becomes questions for the symbolic worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from rlpipe.verifiers.reading.names import in_order, is_constant, is_value_of_several, same_name
from rlpipe.verifiers.reading.numbers.marks import as_fraction, same_mark
from rlpipe.verifiers.reading.numbers.units import compatible
from rlpipe.verifiers.reading.value import Value

# Told a leaf of the reference and one of the answer as text, whether they are equal; None: not known yet.
Ask = Callable[[Value, Value], bool | None]


@dataclass(frozen=True)
class Rules:
    """`abs_tol`: the largest difference of two plain numbers that are still equal. `ordered`: bare lists have an order."""

    abs_tol: float | None = None
    ordered: bool = False


def agree(reference: Value, answer: Value, rules: Rules, ask: Ask) -> bool | None:
    """Equal, different, or None where it takes an answer to what was asked. All questions are asked at once."""
    if reference.kind == answer.kind == "number" and reference.canonical == answer.canonical:
        agreeing = compatible(reference.unit, answer.unit) and same_name(reference.name, answer.name)
        return agreeing and (not reference.choice or not answer.choice or reference.choice == answer.choice)
    if reference.choice and answer.choice:
        if reference.choice != answer.choice:
            return False
        if _only_letter(reference) or _only_letter(answer):
            return True
    if not compatible(reference.unit, answer.unit):
        return False
    if "=" in (reference.brackets, answer.brackets):
        return _equations(reference, answer, rules, ask)
    if not same_name(reference.name, answer.name):
        if reference.exact and answer.exact:
            return False
        return ask(_whole(reference), _whole(answer))
    return _contents(reference, answer, rules, ask)


def _only_letter(value: Value) -> bool:
    return value.canonical.upper() == value.choice


def _whole(value: Value) -> Value:
    """The equation with its left side."""
    return replace(value, kind="text", canonical=value.written or value.canonical, exact=False)


def _equations(reference: Value, answer: Value, rules: Rules, ask: Ask) -> bool | None:
    """An equation equals one that says the same; one that ends in a value is that value where a value is asked for."""
    if answer.brackets == "=" and reference.brackets != "=" and not reference.name:
        if not (is_constant(reference.canonical) and is_value_of_several(answer.written)):
            return False
        return agree(reference, replace(answer.items[0], name=""), rules, ask)
    if reference.canonical == answer.canonical:
        return True
    if answer.brackets != "=" and not answer.name:
        return False
    return ask(_whole(reference), _whole(answer))


def _contents(reference: Value, answer: Value, rules: Rules, ask: Ask) -> bool | None:
    kinds = {reference.kind, answer.kind}
    same = reference.canonical == answer.canonical and in_order(reference.name) and in_order(answer.name)
    if same and not (rules.ordered and reference.brackets == "{}"):
        return True
    if kinds == {"number"} and rules.abs_tol is not None:
        return abs(answer.number - reference.number) <= Fraction(str(rules.abs_tol))
    if kinds == {"number", "percent"}:
        return ask(reference, answer)
    if "mark" in kinds:
        return _marks(reference, answer)
    if "list" in kinds:
        return _lists(reference, answer, rules, ask)
    if answer.kind == "empty" or (reference.exact and answer.exact):
        return False
    if len(reference.canonical) == len(answer.canonical) == 1:
        return False  # two letters
    if "words" in kinds:
        # Words are names; only what could be a product of letters is asked about.
        product = (reference if reference.kind == "words" else answer).canonical
        return ask(reference, answer) if kinds == {"words", "text"} and len(product) < 5 else False
    return ask(reference, answer)


def _marks(reference: Value, answer: Value) -> bool:
    if reference.kind == answer.kind:
        return same_mark(reference.canonical, answer.canonical)
    if reference.kind != "mark" or answer.kind != "number":
        return False
    return (
        as_fraction(reference.canonical) == answer.canonical or answer.written.replace(".", ":") == reference.canonical
    )


def _lists(reference: Value, answer: Value, rules: Rules, ask: Ask) -> bool | None:
    if reference.kind != answer.kind:
        if _options(reference) and _options(reference) == _options(answer):
            return True
        return False if reference.exact and answer.exact else ask(reference, answer)
    reference, answer = _as_vectors(reference, answer)
    named = _assigned(reference, answer)
    if named is not None:
        return _together([agree(one, other, rules, ask) for one, other in named])
    if reference.brackets != answer.brackets or reference.size != answer.size:
        return False
    if reference.brackets in ("{}", "∪") and not (rules.ordered and reference.brackets == "{}"):
        return _matched(reference.items, answer.items, rules, ask)
    pairs = zip(reference.items, answer.items, strict=True)
    return _together([agree(one, other, rules, ask) for one, other in pairs])


def _options(value: Value) -> str:
    """The letters of several options, `abd` of `ABD` and of `A, B, D`; nothing for any other value."""
    letters = [item.canonical for item in value.items] if value.kind == "list" else list(value.canonical)
    found = "".join(sorted(letters)).lower()
    return found if set(found) <= set("abcdefgh") and len(set(found)) == len(letters) > 1 else ""


def _as_vectors(reference: Value, answer: Value) -> tuple[Value, Value]:
    """A matrix of one row or column beside a tuple is the vector that the tuple is."""
    if reference.brackets == "()" and answer.brackets == "[]":
        return reference, _vector(answer)
    if answer.brackets == "()" and reference.brackets == "[]":
        return _vector(reference), answer
    return reference, answer


def _vector(matrix: Value) -> Value:
    rows = matrix.items
    if not rows or any(row.brackets != "[]" for row in rows):
        return matrix
    if len(rows) == 1:
        return replace(matrix, brackets="()", items=rows[0].items)
    return (
        replace(matrix, brackets="()", items=tuple(r.items[0] for r in rows))
        if {r.size for r in rows} == {1}
        else matrix
    )


def _assigned(reference: Value, answer: Value) -> list[tuple[Value, Value]] | None:
    """Pairs to compare where one side says `x = 5, y = 3` and the other `(5, 3)`, in the order of the alphabet."""
    one, other = _by_name(reference), _by_name(answer)
    if not (one or other) or (one and other and sorted(one) != sorted(other)):
        return None
    if one and other:
        return [(one[name], other[name]) for name in one]
    named, plain = (one, answer) if one else (other, reference)
    if plain.brackets not in ("()", "{}") or plain.size != len(named):
        return None
    ordered = [value for _, value in sorted(named.items())]
    return list(zip(ordered, plain.items, strict=True) if one else zip(plain.items, ordered, strict=True))


def _by_name(value: Value) -> dict[str, Value]:
    names = [item.name for item in value.items]
    if value.brackets == "()" and value.name.startswith("("):
        names = value.name[1:-1].split(",")
    elif value.brackets != "{}":
        return {}
    if len(set(names)) < len(names) or not all(names) or len(names) != value.size:
        return {}
    return {name: replace(item, name="") for name, item in zip(names, value.items, strict=True)}


def _matched(reference: tuple[Value, ...], answer: tuple[Value, ...], rules: Rules, ask: Ask) -> bool | None:
    """Each element of one has a partner of its own in the other; equality is transitive, so the first will do."""
    left, unknown = list(answer), False
    for one in sorted(reference, key=lambda value: not value.exact):
        found = [(agree(one, other, rules, ask), i) for i, other in enumerate(left)]
        partner = next((i for result, i in found if result), None)
        if partner is not None:
            del left[partner]
        elif any(result is None for result, _ in found):
            unknown = True
        else:
            return False
    return None if unknown else True


def _together(results: list[bool | None]) -> bool | None:
    if False in results:
        return False
    return None if None in results else True
