"""How answers are judged, by the kind of their writing: ours in evaluation and in training, math-verify alone.

    python -m benchmarks.answers [--failures]

The pairs are written from the grammar in `answer_forms.yaml`: every reference with every right and every wrong writing.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml

from rlpipe.verifiers.answer import EVALUATION, TRAINING, verify_answers

FORMS = Path(__file__).with_name("answer_forms.yaml")
CARRIERS = (
    "\\boxed{%s}",
    "So it is $\\boxed{%s}$.",
    "Work.\n#### %s",
    "Work.\n\nAnswer: %s",
    "**Answer:** %s",
    "\\[\\boxed{%s}\\]",
)
PLACE = re.compile("<([a-z])>")


@dataclass(frozen=True)
class Pair:
    """A response, the reference it is held against, and whether it is right; `undone`: right, but work is left to do."""

    kind: str
    reference: str
    response: str
    right: bool
    undone: bool = False


def pairs(forms: Sequence[Mapping[str, Any]] | None = None) -> list[Pair]:
    """All pairs of the grammar, each once."""
    forms = yaml.safe_load(FORMS.read_text()) if forms is None else forms
    carriers = cycle(CARRIERS)
    return list(dict.fromkeys(pair for form in forms for pair in _of(form, carriers)))


def _of(form: Mapping[str, Any], carriers: Iterator[str]) -> Iterator[Pair]:
    for values in form.get("values", [{}]):

        def filled(name: str, values: Mapping[str, str] = values) -> list[str]:
            return [PLACE.sub(lambda m: values.get(m[1], m[0]), text) for text in form.get(name, ())]

        for reference in filled("references"):
            for name, right in (("right", True), ("undone", True), ("wrong", False)):
                for text in filled(name):
                    yield Pair(form["kind"], reference, _carried(text, next(carriers)), right, name == "undone")
            for name, right in (("responses", True), ("wrong_responses", False)):
                for text in filled(name):
                    yield Pair(form["kind"], reference, text, right)


def _carried(text: str, carrier: str) -> str:
    """Within a box, unless it has one, or Markdown's signs."""
    if "\\boxed" in text:
        return text if text.startswith("\\boxed") else f"${text}$"
    if text.startswith(("*", "`")) or "$" in text or "\\[" in text:
        return f"\\boxed{{{text}}}"
    return carrier % text


def ours(asked: Sequence[Pair], spec: Any) -> list[bool]:
    return [verdict.correct for verdict in verify_answers([(p.response, p.reference) for p in asked], spec)]


def math_verify(asked: Sequence[Pair]) -> list[bool]:
    """As its documentation has it: both sides parsed with the defaults."""
    from math_verify import parse, verify

    def judged(pair: Pair) -> bool:
        try:
            return bool(verify(parse(f"${pair.reference}$"), parse(pair.response)))
        except Exception:
            return False

    return [judged(pair) for pair in asked]


JUDGES: dict[str, Callable[[Sequence[Pair]], list[bool]]] = {
    "evaluation": lambda asked: ours(asked, EVALUATION),
    "training": lambda asked: ours(asked, TRAINING),
    "math-verify alone": math_verify,
}


def table(asked: Sequence[Pair], judged: Mapping[str, Sequence[bool]]) -> Iterator[str]:
    """A row per kind: its pairs, and by judge the wrong ones accepted and the right ones refused."""
    kinds = dict.fromkeys(pair.kind for pair in asked)
    names = "".join(f" | {name}" for name in judged)
    yield f"| kind | right | wrong{names} |"
    yield "|---|---|---" + "|---" * len(judged) + "|"
    for kind in (*kinds, "**all**"):
        rows = [i for i, pair in enumerate(asked) if kind in (pair.kind, "**all**")]
        right = [i for i in rows if asked[i].right]
        wrong = [i for i in rows if not asked[i].right]
        cells = "".join(f" | {sum(a[i] for i in wrong)} / {sum(not a[i] for i in right)}" for a in judged.values())
        yield f"| {kind} | {len(right)} | {len(wrong)}{cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--failures", action="store_true", help="list what is judged wrongly in evaluation instead")
    arguments = parser.parse_args()
    asked = pairs()
    if arguments.failures:
        for pair, accepted in zip(asked, ours(asked, EVALUATION), strict=True):
            if accepted != pair.right:
                print(
                    "accepted" if accepted else "refused",
                    pair.kind,
                    repr(pair.reference),
                    repr(pair.response),
                    sep="\t",
                )
        return
    print("wrong answers accepted / right answers refused")
    print(*table(asked, {name: judge(asked) for name, judge in JUDGES.items()}), sep="\n")


if __name__ == "__main__":
    main()
