"""Short answers: extraction, canonical form, exact comparison; what that cannot decide goes to `symbolic`.

response -> answer_text -> boxes | #### | Answer: -> canonical form -> equal | different | undecided -> symbolic
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rlpipe.types import Status, Verdict
from rlpipe.verifiers import extract
from rlpipe.verifiers.canonical import Value, parse
from rlpipe.verifiers.compare import Rules, agree
from rlpipe.verifiers.cost import too_costly
from rlpipe.verifiers.symbolic import MAX_CHARACTERS, library_version, shared_pool

NAME, VERSION = "answer", "2"

RULES = Rules()
Pair = tuple[str, str]  # a leaf of the reference and one of the answer, for the symbolic worker


@dataclass(frozen=True)
class AnswerSpec:
    """How strict to be.

    `multi_box`: two boxes with different values are `ambiguous` ("reject", for training: no reward for listing answers)
    or the last one counts ("last", for evaluation). `lenient` falls back to the last number of the text: only for
    evaluation.
    `abs_tol`: largest difference between two plain numbers that is still equal, in the answer's unit; None is exact.
    `symbolic`: ask math-verify what exact comparison cannot decide; False leaves the status `needs_symbolic`.
    `require_simplified`: work left undone (`6*7`) is no answer where the reference is a plain number.
    `ordered`: a list without brackets, or in braces, has an order; otherwise it has none.
    """

    multi_box: Literal["reject", "last"] = "reject"
    lenient: bool = False
    abs_tol: float | None = None
    symbolic: bool = True
    require_simplified: bool = True
    ordered: bool = False


TRAINING = AnswerSpec(multi_box="reject")
EVALUATION = AnswerSpec(multi_box="last", require_simplified=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, or what has to be asked before there is one: the `pairs` for the worker."""

    verdict: Verdict
    reference: Value | None = None
    answer: Value | None = None
    pairs: tuple[Pair, ...] = ()


def verify_answer(response: str, gold: str, spec: AnswerSpec = TRAINING) -> Verdict:
    """The verdict on one response; never raises on what a policy wrote.

    Source: rlpipe's verifier contract, steps 1 to 5.
    """
    return verify_answers([(response, gold)], spec)[0]


def verify_answers(pairs: Sequence[tuple[str, str]], spec: AnswerSpec = TRAINING) -> list[Verdict]:
    """Verdicts on `(response, gold)` pairs, in order; symbolic comparisons run side by side."""
    decisions = [decide(response, gold, spec) for response, gold in pairs]
    asked = list(dict.fromkeys(pair for decision in decisions for pair in decision.pairs))
    answers = dict(zip(asked, _asked(asked), strict=True)) if asked else {}
    return [_concluded(decision, answers, spec) if decision.pairs else decision.verdict for decision in decisions]


def decide(response: str, gold: str, spec: AnswerSpec = TRAINING) -> Decision:
    """Steps 1 to 4, and the pairs to compare symbolically where they leave it undecided."""
    reference = parse(gold)
    if _says_nothing(reference):
        return Decision(Verdict(0.0, "gold_unparseable", verifier=NAME, version=VERSION))
    extracted, status = extract_answer(response, spec)
    if extracted is None:
        return Decision(Verdict(0.0, status, verifier=NAME, version=VERSION))
    extracted = extract.writable(extracted)
    answer = parse(extracted)
    if reference.kind == answer.kind == "number" and reference.canonical == answer.canonical and spec.abs_tol is None:
        right = agree(reference, answer, RULES, _never)
        return Decision(
            Verdict(float(bool(right)), "ok" if right else "wrong", extracted, answer.canonical, NAME, VERSION)
        )
    return _compared(extracted, reference, answer, spec)


def _never(one: Value, other: Value) -> None:
    raise AssertionError("numbers are compared exactly")


def _compared(extracted: str, reference: Value, answer: Value, spec: AnswerSpec) -> Decision:
    leaves: list[tuple[Pair, Status | None]] = []

    def ask(one: Value, other: Value) -> None:
        leaves.append(((one.canonical, other.canonical), _unsent(one, other, spec)))

    right = agree(reference, answer, Rules(spec.abs_tol, spec.ordered), ask)
    unsent: Status = "needs_symbolic" if any(reason == "needs_symbolic" for _, reason in leaves) else "wrong"
    status: Status = "ok" if right else "wrong" if right is False else unsent
    verdict = Verdict(float(bool(right)), status, extracted, answer.canonical, NAME, VERSION)
    pairs = tuple(pair for pair, reason in leaves if reason is None) if right is None else ()
    return Decision(verdict, reference, answer, pairs)


def _says_nothing(reference: Value) -> bool:
    return not reference.canonical or reference.canonical.endswith("/0")


def _unsent(reference: Value, answer: Value, spec: AnswerSpec) -> Status | None:
    """Why step 5 does not let a pair be sent to the symbolic worker; None if it does."""
    sides = reference.canonical, answer.canonical
    if not spec.symbolic or not all(sides) or max(map(len, sides)) > MAX_CHARACTERS:
        return "needs_symbolic"
    if ("%" in sides[0]) != ("%" in sides[1]):
        return "needs_symbolic"
    if spec.require_simplified and reference.kind == "number":  # work left undone (`6*7`) earns nothing
        return "needs_symbolic"
    return "wrong" if too_costly(sides[1], sides[0]) else None


def _concluded(decision: Decision, answers: Mapping[Pair, Status], spec: AnswerSpec) -> Verdict:
    """The verdict when the worker has answered."""
    assert decision.reference is not None
    assert decision.answer is not None
    statuses: list[Status] = []

    def ask(one: Value, other: Value) -> bool:
        status = _unsent(one, other, spec) or answers[one.canonical, other.canonical]
        statuses.append(status)
        return status == "ok"

    right = agree(decision.reference, decision.answer, Rules(spec.abs_tol, spec.ordered), ask)
    failed: Status = next((status for status in statuses if status not in ("ok", "wrong")), "wrong")
    old = decision.verdict
    version = f"{VERSION}/{library_version()}"
    status: Status = "ok" if right else failed
    return Verdict(float(bool(right)), status, old.extracted, old.canonical, "answer+math_verify", version)


def _asked(pairs: Sequence[Pair]) -> Iterator[Status]:
    """What the worker says. Where it fails on a pair and not on the reference alone, the answer made it fail: wrong."""
    for (gold, _), status in zip(pairs, shared_pool().compare_many(pairs), strict=True):
        failed = status in ("timeout", "error")
        yield "wrong" if failed and _reads(gold) else status


def _reads(gold: str) -> bool:
    """Whether the worker is well, and the reference no trouble to it."""
    return shared_pool().compare(gold, gold) == "ok"


def gold_status(gold: str) -> Status:
    """`ok` if predictions can be compared with this reference, else `gold_unparseable` (or how the worker failed)."""
    reference = parse(gold)
    if _says_nothing(reference):
        return "gold_unparseable"
    statuses = [_leaf_status(leaf) for leaf in _leaves(reference)]
    return next((status for status in statuses if status != "ok"), "ok")


def _leaves(value: Value) -> Iterator[Value]:
    if value.kind == "list":
        for item in value.items:
            yield from _leaves(item)
    else:
        yield value


def _leaf_status(value: Value) -> Status:
    if value.exact or value.kind in ("number", "percent", "mark", "words"):
        return "ok"
    text = value.canonical
    if len(text) > MAX_CHARACTERS or too_costly(text, text):
        return "gold_unparseable"
    return shared_pool().compare(text, text)


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
