"""From a prompt to what is compared: its text, its words, its numbers, its operators, its hashes.

N1 keeps words only; N2 also keeps every symbol, for prompts in which symbols carry the meaning.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256

VERSION = "2"  # of the normalisation: recorded with every overlap, to be raised when a rule below changes

WORDS = re.compile(r"\w+")
PLAIN = re.compile(r"\d+(?:\.\d+)?|[^\W\d]+")
TOKENS = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|\S")
TERMS = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|[^\s\w.,;:?!'\"‘’“”]|_")
PROCEDURAL = ("rlpipe/", "reasoning_gym/")  # sources whose problems have parameters
NUMBER = re.compile(r"\d+(?:\.\d+)?")
# A hyphen or slash inside a compound ("three-year", "mid-2020", "and/or") joins words; elsewhere it computes.
_OPERATOR = re.compile(r"[+*^=<>±×÷∙√∑∏∫≤≥≠≈]|%(?=\s*[\d(])|[-/](?!(?<=\w[-/])[^\W\d_]{2})(?!(?<=[^\W\d_]{2}[-/])\w)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MARKER = re.compile(r"####|\\boxed|\banswer\s*:", re.IGNORECASE)
_STEPS = r"(?:think|reason)\s+step\s+by\s+step"
_SENTENCE = re.compile(
    rf"(?<=[.?!])\s+|\n+|\s+(?=(?:let['’]s|please)\s+{_STEPS})|(?<!let['’]s)(?<!please)\s+(?={_STEPS})", re.IGNORECASE
)
_ORDER = re.compile(r"^\s*solve the following math problem step by step\b", re.IGNORECASE)
_UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"]
_UNITS += ["fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SPELLED = {word: str(i) for i, word in enumerate(["zero", *_UNITS])}
SPELLED |= {word: str(10 * i) for i, word in enumerate(_TENS, start=1)}


def folded(text: str) -> str:
    """NFKC, then case-folded."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def without_separators(text: str) -> str:
    """Folded, with `1,000` as `1000`."""
    return _THOUSANDS.sub("", folded(text))


def plain_words(text: str) -> list[str]:
    """N1 with numbers whole and by themselves, `1,000` as 1000 and `5kg` in two: what texts are compared by.

    Differs: specification 2.4 cuts numbers at every mark, and then `2.5` and `2, 5` are equal.
    """
    return PLAIN.findall(without_separators(text))


def formula_words(text: str) -> list[str]:
    """`terms` without thousands separators: what texts are compared by where operators carry meaning."""
    return TERMS.findall(without_separators(text))


def words(text: str) -> list[str]:
    """N1: the words of a text, without punctuation or symbols."""
    return WORDS.findall(folded(text))


def tokens(text: str) -> list[str]:
    """N2: numbers, runs of letters, and every other symbol by itself."""
    return TOKENS.findall(folded(text))


def terms(text: str) -> list[str]:
    """N2 without the punctuation of sentences: what n-grams are made of where operators carry meaning.

    Differs: specification 2.4 keeps all symbols, and then `. What's the total number of` is eight tokens of evidence.
    """
    return TERMS.findall(folded(text))


def operators(text: str) -> tuple[str, ...]:
    """The mathematical operators of a text, in order; hyphens and slashes inside compounds are none."""
    return tuple(_OPERATOR.findall(folded(text)))


def has_computation(text: str) -> bool:
    """Whether an operator stands beside a number; `**` around a word and `- ` before a sentence do not."""
    plain = folded(text)
    beside = ((plain[: m.start()].rstrip()[-1:], plain[m.end() :].lstrip()[:1]) for m in _OPERATOR.finditer(plain))
    return any(left.isdigit() or right.isdigit() for left, right in beside)


def numbers(text: str) -> Counter[str]:
    """The numbers of a text as it writes them (N2)."""
    return Counter(NUMBER.findall(folded(text)))


def spelled_numbers(text: str) -> Counter[str]:
    """The numbers of a text as values: thousands separators removed, number words up to ninety read."""
    plain = without_separators(text)
    spelled = (SPELLED[word] for word in re.findall(r"[^\W\d_]+", plain) if word in SPELLED)
    return Counter(NUMBER.findall(plain)) + Counter(spelled)


def same_numbers(a: str, b: str) -> bool:
    """Whether two whole texts hold the same numbers, however they write them.

    Source: specification 2.4. Differs: `1,000` equals `1000` and `three` equals `3`, so that rewriting a number does
    not turn a copy into another instance of its template.
    """
    return numbers(a) == numbers(b) or spelled_numbers(a) == spelled_numbers(b)


def user_text(messages: Sequence[Mapping[str, str]]) -> str:
    """The user contents of a prompt, joined by newlines, without instructions on the form of the answer."""
    return without_instructions("\n".join(m["content"] for m in messages if m["role"] == "user"))


def without_instructions(text: str) -> str:
    r"""The text without sentences at its ends that only say where the answer goes (`####`, `\boxed{}`, `Answer:`).

    They are the same in every row of a file, so they would make every row resemble every other.
    """
    if not _MARKER.search(text):
        return text
    return _bare(text) or text


def has_instruction(text: str) -> bool:
    """Whether a sentence at an end of the text says where the answer goes; a marker inside a problem does not."""
    return bool(_MARKER.search(text)) and _bare(text) != text.strip()


def _bare(text: str) -> str:
    """The text between its instructions; empty where there is nothing else."""
    starts = [0, *(m.end() for m in _SENTENCE.finditer(text))]
    ends = [*starts[1:], len(text)]
    first, last = 0, len(starts)
    while last > first and _MARKER.search(text[starts[last - 1] : ends[last - 1]]):
        last -= 1
    while first < last and (_MARKER.search(part := text[starts[first] : ends[first]]) or _ORDER.match(part)):
        first += 1
    return text[starts[first] : ends[last - 1]].strip() if first < last else ""


def prompt_id(messages: Sequence[Mapping[str, str]]) -> str:
    """32 hex digits that name a prompt by its roles and contents.

    Source: specification 7.3.
    """
    pairs = [[m["role"], m["content"]] for m in messages]
    return sha256(json.dumps(pairs, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()[:32]


def norm_hash(messages: Sequence[Mapping[str, str]]) -> str:
    """16 hex digits, equal for prompts with the same words.

    Source: specification 7.3, on the text of 2.1: without instructions on the form of the answer.
    """
    return text_hash(user_text(messages))


def text_hash(text: str) -> str:
    """`norm_hash` of a text that is already a prompt's."""
    return sha256(" ".join(words(text)).encode()).hexdigest()[:16]


def problem_key(source: str, identity: str, metadata_json: str | None) -> str | None:
    """What tells a procedural problem from every other: the generator's parameters, which texts of one template hide.

    Returns: None for sources that are not procedural; they are compared by their words.
    """
    if not source.startswith(PROCEDURAL):
        return None
    key = json.loads(metadata_json).get("columns", {}).get("key") if metadata_json else None
    return f"{source}:{identity if key is None else key}"
