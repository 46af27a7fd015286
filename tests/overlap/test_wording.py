"""The number guard: numbers are compared inside what two texts share."""

from __future__ import annotations

import polars as pl
import pytest

from rlpipe.overlap import normalize
from rlpipe.overlap.similarity import Run, equal_parts
from rlpipe.overlap.word_hashes import word_hashes
from rlpipe.overlap.wording import Wording, same_numbers, shared, worded

COPY = "The baker sells 12 small loaves and 7 large loaves to the school on Monday, and 30 rolls on Tuesday morning."
CHANGED = COPY.replace("12", "13").replace("7", "8").replace("30", "40")


def wording(text: str) -> Wording:
    return Wording(normalize.plain_words(text))


def same(train: str, evaluation: str = COPY) -> bool:
    first, second = wording(train), wording(evaluation)
    return same_numbers(first, second, shared(first, second, 8))


@pytest.mark.parametrize(
    "train",
    [
        COPY,
        f"17. {COPY} (2 points) A) 3 B) 4",
        f"12 boys ate 7 eggs. {COPY}",
        f"{CHANGED} {COPY}",
        f"{COPY} {CHANGED}",
        COPY.replace("12", "twelve").replace("7", "seven"),
        COPY[: COPY.index(", and")],
        COPY[COPY.index("7 large") :],
        COPY.replace("Tuesday", "some other"),
    ],
)
def test_what_stands_around_a_copy_does_not_count(train: str) -> None:
    assert same(train)


def test_a_part_of_a_text_that_repeats_itself_is_a_part() -> None:
    first = "Tom buys 5 red apples at the market in Lyon for 3 coins."
    assert same(first, f"{first} Ann buys 8 red apples at the market in Lyon for 6 coins.")


@pytest.mark.parametrize(
    "train",
    [
        CHANGED,
        f"17. {CHANGED}",
        COPY.replace("12", "13"),
        COPY.replace("30", "31"),
        f"30. {COPY.replace('30', '31')}",
        COPY.replace("12", "7").replace("and 7", "and 12"),
        COPY.replace("12", "1.2"),
        COPY.replace("30 rolls on Tuesday", "31 buns each Friday"),
        f"{COPY.replace('12', '13')} {COPY.replace('30', '31')}",
    ],
)
def test_one_other_number_is_another_instance(train: str) -> None:
    assert not same(train), "numbers in order, at their places"


def test_a_number_that_is_read_inside_is_not_counted_outside() -> None:
    once = "the old baker of the village sells 12 loaves a day"
    assert not same(f"{once} {once} to 5 inns", f"{once} for 12 houses")


def test_without_a_stretch_in_common_all_numbers_of_the_evaluation_text_are_wanted() -> None:
    assert same("with 30, 12 and 7 (and 5) told quite differently")
    assert not same("with 30 and 12 told quite differently")
    assert same("nothing", "no number")


def test_numbers_reached_by_chance_do_not_part_a_piece_from_its_original() -> None:
    """Behind the piece the training text goes on with a number where the original has another one."""
    piece = "there are boxes of apples in the old barn with"
    first, second = wording(f"{piece} 5"), wording(f"{piece} 8 doors")
    assert not same_numbers(first, second, shared(first, second, 8)), "neither holds the other's number"
    first, second = wording(f"{piece} 5"), wording(f"5 men say {piece} 8 doors")
    assert same_numbers(first, second, shared(first, second, 8))


def test_at_the_ends_of_the_evaluation_text_a_number_counts() -> None:
    text = "12 hens of the farmer lay eggs on each day of the week, and the ducks lay 3"
    for other in (text.replace("12", "13"), text.replace("lay 3", "lay 4")):
        assert not same(f"3 of 12 are left. {other}", text)


def test_runs_of_mostly_numbers_are_no_wording() -> None:
    a, b = wording("at 50 miles per hour for 3 hours"), wording("so at 60 miles per hour for 4 hours it")
    assert not shared(a, b, 8)
    assert shared(a, wording("at 60 miles per hour for 4 hours"), 8) == [Run(0, 0, 8)], "the whole text"
    assert shared(a, wording("so at 50 miles per hour for 3 hours it"), 8) == [Run(0, 1, 8)], "equal numbers"
    one = wording("at 60 miles per hour for those hours"), wording("so at 50 miles per hour for those hours it")
    assert worded(*one, [Run(0, 1, 8)], 8) == [Run(0, 1, 8)]
    assert not shared(wording("1 2 3 4 5 6 7 8 9"), wording("2 3 4 5 6 7 8 9 10 11"), 9), "lists of numbers"


def test_equal_parts_of_a_run() -> None:
    a, b = ["x", "a", "b", "1", "c", "d", "e", "2", "f"], ["a", "b", "3", "c", "d", "e", "4", "f"]
    assert list(equal_parts(Run(1, 0, 8), a, b, 2)) == [Run(1, 0, 2), Run(4, 3, 3)]
    assert list(equal_parts(Run(1, 0, 8), a, b, 4)) == []


@pytest.mark.parametrize("kind", ["n1", "n2"])
def test_hashes_hold_what_the_definitions_hold(kind: str) -> None:
    """Equal words have equal hashes, equal signs have equal hashes, in ASCII and elsewhere, and nothing else has."""
    texts = [
        "5kg of x2, 1,000 or 2.50; five mod5",
        "Ünder ５ or ٣ 1,000,000 ten",
        "+ 12 - 3 = # 0",
        "",
        "a,1,2345 1,23",
    ]
    split = normalize.plain_words if kind == "n1" else normalize.formula_words
    expected = [Wording(split(text)) for text in texts]
    found = word_hashes(pl.Series(texts), kind)  # type: ignore[arg-type]
    words: dict[str, int] = {}
    signs: dict[str, int] = {}
    for i, text in enumerate(expected):
        own = found.row == i
        assert own.sum() == len(text.words), text.words
        words |= dict(zip(text.words, found.word[own].tolist(), strict=True))
        signs |= dict(zip(text.signs, found.wording.word[own].tolist(), strict=True))
        assert [signs[w] for w in text.signs] == found.sign[own].tolist()
    assert len(set(words.values())) == len(words)
    assert len(set(signs.values())) == len(signs)


def test_grams_of_nothing_but_numbers_are_as_they_are_written() -> None:
    assert wording("add 1 2 three").grams(2) == [("add", "0"), ("1", "2"), ("2", "three")]


def test_values() -> None:
    assert wording("5kg, 1,000 or 2.50; five").values == ["5", None, "1000", None, "2.50", "5"]
    assert wording("5kg, 1,000 or 2.50; five").signs == ["0", "kg", "0", "or", "0", "0"]
