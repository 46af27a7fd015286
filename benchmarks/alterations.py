"""What is done to a problem that turns up elsewhere: numbered, given options, put beside others, cut, renumbered."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SENTENCE = re.compile(r"(?<=[.?!;])\s+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORDS = ("zebra", "quartz", "lantern", "meadow", "violin", "copper", "harbor")


@dataclass(frozen=True)
class Neighbours:
    """The other problems of the same source, and the number of this one among them."""

    problems: Sequence[str]
    own: int
    rng: random.Random

    def others(self, count: int) -> list[str]:
        """Different problems, drawn without the own one."""
        places = self.rng.sample([i for i in range(len(self.problems)) if i != self.own], count)
        return [self.problems[i] for i in places]


Alter = Callable[[str, Neighbours], str]


def options(text: str, beside: Neighbours) -> str:
    """Four numbers to choose from."""
    return text + "".join(f"\n{letter}) {beside.rng.randint(1, 500)}" for letter in "ABCD")


def few_shot(text: str, beside: Neighbours) -> str:
    """The last of four questions, the first three of which are answered."""
    shots = [f"Question: {q}\nAnswer: {beside.rng.randint(1, 500)}" for q in beside.others(3)]
    return "\n\n".join([*shots, f"Question: {text}\nAnswer:"])


def shot(text: str, beside: Neighbours) -> str:
    """One of the three answered questions in front of another."""
    shots = [text, *beside.others(3)]
    middle = [f"Q{i}: {q}\nA{i}: {beside.rng.randint(1, 500)}" for i, q in enumerate(shots[:3], start=1)]
    return "\n\n".join([*middle, f"Q4: {shots[3]}\nA4:"])


def shouted(text: str, beside: Neighbours) -> str:
    """Capitals, without commas and full stops."""
    return re.sub(r"[,.;](?=\s|$)", "", text).upper()


def renumbered(text: str, beside: Neighbours) -> str:
    """Every number becomes another one."""
    return _NUMBER.sub(lambda m: _other(m.group(), beside.rng), text)


def one_number(text: str, beside: Neighbours) -> str:
    """One number becomes another one."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return text
    m = beside.rng.choice(found)
    return text[: m.start()] + _other(m.group(), beside.rng) + text[m.end() :]


def _other(number: str, rng: random.Random) -> str:
    return str(int(re.sub(r"\D", "", number)) + rng.randint(1, 9))


def swapped(text: str, beside: Neighbours) -> str:
    """The first two sentences change places."""
    parts = _SENTENCE.split(text)
    return " ".join([parts[1], parts[0], *parts[2:]]) if len(parts) > 2 else text


def first_half(text: str, beside: Neighbours) -> str:
    words = text.split()
    return " ".join(words[: len(words) // 2])


def second_half(text: str, beside: Neighbours) -> str:
    words = text.split()
    return " ".join(words[len(words) // 2 :])


def every_seventh(text: str, beside: Neighbours) -> str:
    """Every seventh word replaced by one that has nothing to do with it."""
    words = text.split()
    for i in range(6, len(words), 7):
        words[i] = beside.rng.choice(_WORDS)
    return " ".join(words)


def numbered_template(text: str, beside: Neighbours) -> str:
    """Other numbers throughout, and numbered."""
    changed = renumbered(text, beside)
    return f"17. {changed}" if changed != text else text


def one_beside(text: str, beside: Neighbours) -> str:
    """One number changed, behind a question that may hold the original one."""
    changed = one_number(text, beside)
    return f"1) {beside.others(1)[0]}\n2) {changed}" if changed != text else text


COPIES: dict[str, Alter] = {
    "verbatim": lambda text, beside: text,
    "`17. ` in front": lambda text, beside: f"17. {text}",
    "`Problem 5: ` in front": lambda text, beside: f"Problem 5: {text}",
    "`(2 points)` behind": lambda text, beside: f"{text} (2 points)",
    "options": options,
    "a question in front": lambda text, beside: f"1) {beside.others(1)[0]}\n2) {text}",
    "a question behind": lambda text, beside: f"1) {text}\n2) {beside.others(1)[0]}",
    "few-shot block in front": few_shot,
    "inside a few-shot block": shot,
    "its template in front": lambda text, beside: f"1) {renumbered(text, beside)}\n2) {text}",
    "capitals, punctuation": shouted,
    "sentences swapped": swapped,
}
NOT_COPIES: dict[str, Alter] = {
    "all numbers changed": renumbered,
    "all changed, `17. ` in front": numbered_template,
    "one number changed": one_number,
    "one changed, a question in front": one_beside,
}
PARTS: dict[str, Alter] = {
    "first half": first_half,
    "second half": second_half,
    "every seventh word": every_seventh,
}
KINDS = COPIES | NOT_COPIES | PARTS
