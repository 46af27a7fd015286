"""Short answers: extraction, canonical form, exact comparison; what that cannot decide goes to `symbolic`.

response -> answer_text -> boxes | #### | Answer: -> canonical form -> equal | different | undecided -> symbolic
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from rlpipe.types import Status, Verdict
from rlpipe.verifiers import extract
from rlpipe.verifiers.canonical import Value, clean, parse
from rlpipe.verifiers.symbolic import MAX_CHARACTERS, shared_pool
from rlpipe.verifiers.units import MAGNITUDES

NAME, VERSION = "answer", "1"


@dataclass(frozen=True)
class AnswerSpec:
    """How strict to be.

    `multi_box`: two boxes with different values are `ambiguous` ("reject", for training: no reward for listing answers)
    or the last one counts ("last", for evaluation). `lenient` falls back to the last number of the text: only for
    evaluation.
    `abs_tol`: largest difference between two plain numbers that is still equal, in the answer's unit; None is exact.
    `symbolic`: ask math-verify what exact comparison cannot decide; False leaves the status `needs_symbolic`.
    """

    multi_box: Literal["reject", "last"] = "reject"
    lenient: bool = False
    abs_tol: float | None = None
    symbolic: bool = True
    require_simplified: bool = True


TRAINING = AnswerSpec(multi_box="reject")
EVALUATION = AnswerSpec(multi_box="last")

_COMMAND = re.compile(r"\\[A-Za-z]+")
_OPERATOR = re.compile(r"[-+*/^!=<>|&%]|\\[A-Za-z]")
_NUMBERS = re.compile(r"[0-9.]+")
_LETTERS = re.compile(r"[A-Za-z]+")


def verify_answer(response: str, gold: str, spec: AnswerSpec = TRAINING) -> Verdict:
    """The verdict on one response; never raises on what a policy wrote.

    Source: rlpipe's verifier contract, steps 1 to 5.
    """
    verdict, pair = exact_verdict(response, gold, spec)
    return verdict if pair is None else _symbolic_verdict(verdict, shared_pool().compare(*pair))


def verify_answers(pairs: Sequence[tuple[str, str]], spec: AnswerSpec = TRAINING) -> list[Verdict]:
    """Verdicts on `(response, gold)` pairs, in order; symbolic comparisons run side by side."""
    decided = [exact_verdict(response, gold, spec) for response, gold in pairs]
    asked = [pair for _, pair in decided if pair is not None]
    outcomes = iter(shared_pool().compare_many(asked)) if asked else iter(())
    return [v if pair is None else _symbolic_verdict(v, next(outcomes)) for v, pair in decided]


def exact_verdict(response: str, gold: str, spec: AnswerSpec = TRAINING) -> tuple[Verdict, tuple[str, str] | None]:
    """Steps 1 to 4, and the pair `(gold, prediction)` to compare symbolically where they leave it undecided."""
    reference = parse(gold)
    if not reference.canonical or reference.canonical.endswith("/0"):
        return Verdict(0.0, "gold_unparseable", verifier=NAME, version=VERSION), None
    extracted, status = extract_answer(response, spec)
    if extracted is None:
        return Verdict(0.0, status, verifier=NAME, version=VERSION), None
    extracted = extract.writable(extracted)
    value = parse(extracted)
    relation = compare(value, reference, spec.abs_tol)
    if relation == "undecided":
        pair = _pair(extracted, value, gold, reference, spec)
        return Verdict(0.0, "needs_symbolic", extracted, value.canonical, NAME, VERSION), pair
    equal = relation == "equal"
    return Verdict(float(equal), "ok" if equal else "wrong", extracted, value.canonical, NAME, VERSION), None


def gold_status(gold: str) -> Status:
    """`ok` if predictions can be compared with this reference, else `gold_unparseable` (or how the worker failed)."""
    reference = parse(gold)
    if not reference.canonical or reference.canonical.endswith("/0"):
        return "gold_unparseable"
    if reference.exact or reference.is_words:
        return "ok"
    text = clean(gold)
    return "gold_unparseable" if len(text) > MAX_CHARACTERS else shared_pool().compare(text, text)


def extract_answer(response: str, spec: AnswerSpec = TRAINING) -> tuple[str | None, Status]:
    """The answer as written, or None and why: `no_answer`, or `ambiguous` for boxes that disagree."""
    text = extract.answer_text(response)
    if text is None:
        return None, "no_answer"
    found = extract.boxes(text)
    if found:
        if spec.multi_box == "reject" and len(found) > 1 and len({parse(box).canonical for box in found}) > 1:
            return None, "ambiguous"
        return found[-1].strip(), "ok"
    answer = extract.hashes(text) or extract.answer_line(text) or (extract.last_number(text) if spec.lenient else None)
    return answer, "ok" if answer else "no_answer"


def compare(value: Value, reference: Value, abs_tol: float | None = None) -> Literal["equal", "different", "undecided"]:
    """Step 4. A percentage and a plain number are never equal; nothing is approximate unless `abs_tol` says so."""
    if value.canonical == reference.canonical:
        return "different" if value.unit and reference.unit and value.unit != reference.unit else "equal"
    kinds = {value.kind, reference.kind}
    if kinds == {"number"} and abs_tol is not None:
        near = abs(value.number - reference.number) <= Fraction(str(abs_tol))
        return (
            "equal" if near and (not value.unit or not reference.unit or value.unit == reference.unit) else "different"
        )
    if kinds == {"number", "percent"} or value.kind == "empty":
        return "undecided"
    if value.exact and reference.exact:
        return "different"
    if kinds == {"list"} and (value.brackets != reference.brackets or value.size != reference.size):
        return "different"
    # Words are names: multiplied as letters they would be equal in any order.
    if (value.is_words and (reference.is_words or reference.exact)) or (reference.is_words and value.exact):
        return "different"
    return "undecided"


def _pair(extracted: str, value: Value, gold: str, reference: Value, spec: AnswerSpec) -> tuple[str, str] | None:
    """What to send to the symbolic worker, if the rules of step 5 let it be sent."""
    sides = tuple(v.canonical if v.exact else clean(text) for v, text in ((reference, gold), (value, extracted)))
    if not spec.symbolic or not sides[1] or max(map(len, sides)) > MAX_CHARACTERS:
        return None
    if ("%" in sides[0]) != ("%" in sides[1]):
        return None
    if spec.require_simplified and reference.kind == "number" and not _is_number_with_words(sides[1]):
        return None
    return sides[0], sides[1]


def _is_number_with_words(prediction: str) -> bool:
    """`42 apples`: the only prediction worth sending for a plain number. Work left undone (`6*7`) earns nothing."""
    if _OPERATOR.search(prediction) or len(_NUMBERS.findall(prediction)) != 1:
        return False
    return MAGNITUDES.isdisjoint(word.lower() for word in _LETTERS.findall(_COMMAND.sub("", prediction)))


def _symbolic_verdict(verdict: Verdict, outcome: Status) -> Verdict:
    from rlpipe.verifiers.symbolic import library_version

    score = 1.0 if outcome == "ok" else 0.0
    version = f"{VERSION}/{library_version()}"
    return Verdict(score, outcome, verdict.extracted, verdict.canonical, "answer+math_verify", version)
