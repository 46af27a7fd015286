"""A question with one thing left out, and the same question in other words, both by rule: what LaRA perturbs.

Source: after LaRA, arXiv:2605.29888, whose perturbations are not published in full; every rule here is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MOST_DELETIONS, MOST_REWORDINGS = 8, 4
FEWEST_UNITS = 3  # of a kind, for it to be the kind that is left out
UNITS = (r"\S.*?(?:[.!?]+(?=\s|$)|\n|$)", r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]|\.\d)", r"\S+")
NUMBERS = re.compile(r"(?<![\w.])\d+(?:(?:, ?| )\d+)+(?![\w.]*\w)")
SPELLED = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def deletions(question: str) -> list[str]:
    """The question without one sentence each; of fewer than three without one number each, else without one word each.

    At most 8, evenly spaced; fewer than 3 where there is no more to leave out.
    """
    found: list[re.Match[str]] = []
    for unit in UNITS:
        found = [m for m in re.finditer(unit, question) if m[0].strip()]
        if len(found) >= FEWEST_UNITS:
            break
    count = min(len(found), MOST_DELETIONS)
    chosen = [found[i * len(found) // count] for i in range(count)]
    left = [" ".join(f"{question[: m.start()]} {question[m.end() :]}".split()) for m in chosen]
    return [text for text in dict.fromkeys(left) if text]


def rewordings(question: str) -> list[str]:
    """The same question: given numbers (a list of bare numbers) in reverse and rotated, small numbers spelled out, the
    first two of at least three sentences exchanged. At most 4; none where no rule applies.
    """
    made = (text for text in _reworded(question) if text.split() != question.split())
    return list(dict.fromkeys(made))[:MOST_REWORDINGS]


def _reworded(question: str) -> Iterator[str]:
    lists = list(NUMBERS.finditer(question))
    if lists:
        given = lists[-1]
        numbers = re.findall(r"\d+", given[0])
        for order in (numbers[::-1], [*numbers[1:], numbers[0]]):
            between = [*re.split(r"\d+", given[0])[1:-1], ""]
            said = "".join(number + gap for number, gap in zip(order, between, strict=True))
            yield question[: given.start()] + said + question[given.end() :]
    sentences = [m[0].strip() for m in re.finditer(UNITS[0], question) if m[0].strip()]
    if len(sentences) >= FEWEST_UNITS:
        yield " ".join([sentences[1], sentences[0], *sentences[2:]])
    yield re.sub(UNITS[1], lambda m: SPELLED[int(m[0])] if m[0].isdigit() and int(m[0]) < 13 else m[0], question)
