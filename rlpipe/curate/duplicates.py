"""One row per prompt: equal prompts, prompts of equal words, and near duplicates, within one side of the evaluation.

What stands on both sides is decontamination's to find. Of equals the row with the smallest id stays, so the outcome
does not depend on the order of the sources.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from rlpipe.curate.files.answers import agree
from rlpipe.curate.item import Item, Rejected, rejected
from rlpipe.curate.settings import NearDuplicates
from rlpipe.overlap import normalize
from rlpipe.overlap.similarity import Gram, grams, jaccard
from rlpipe.overlap.wording import Wording, same_numbers, shared

MINHASH_SEED = 1
WEIGHTS = (0.1, 0.9)  # of false positives and false negatives: candidates are verified, so recall is what counts
SHINGLE, SHORT_SHINGLE, SHORT_WORDS = 5, 3, 20
COMMON_WORDS = 8  # in a row, from which two texts have a stretch in common


@dataclass
class Deduplicated:
    """Items that stay, sorted by id, and those left out; `near_kept` counts near duplicates inside benchmarks."""

    items: list[Item] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    near_kept: int = 0


def deduplicate(items: Sequence[Item], near: NearDuplicates) -> Deduplicated:
    """Both sides, each by itself. A benchmark loses repeated prompts only; what it says alike stays, and is counted."""
    out = Deduplicated()
    for pinned in (False, True):
        side = sorted((item for item in items if item.pinned == pinned), key=_order)
        side = _one_per_prompt(side, out.rejected)
        if not pinned:
            side = _one_per_words(side, out.rejected)
        found = near_duplicates(side, near) if near.enabled else {}
        if pinned:
            out.near_kept = len(found)
        else:
            out.rejected += [
                rejected(item, "duplicate", "near duplicate", found[item.id][0], found[item.id][1])
                for item in side
                if item.id in found
            ]
            side = [item for item in side if item.id not in found]
        out.items += side
    out.items.sort(key=_order)
    return out


def _order(item: Item) -> tuple[str, str, str]:
    return item.id, item.source, item.place


def _groups(items: Sequence[Item], by: Callable[[Item], Hashable]) -> Iterator[list[Item]]:
    groups: dict[Hashable, list[Item]] = defaultdict(list)
    for item in items:
        groups[by(item)].append(item)
    yield from groups.values()


def _one_per_prompt(items: Sequence[Item], left_out: list[Rejected]) -> list[Item]:
    """The first row of every prompt, or none where its rows disagree about the answer.

    Problems of a family are one prompt where their keys agree, whatever the wording.
    """
    kept: list[Item] = []
    for group in _groups(items, lambda item: item.key or item.id):
        answers = {item.answer for item in group}
        if len(answers) > 1 and group[0].key is None and not agree(group[0].source, (item.gold for item in group)):
            other = {answer: next(item for item in group if item.answer != answer).place for answer in answers}
            left_out += [
                rejected(item, "duplicate", "same prompt, another answer", other[item.answer], detail=item.gold[:200])
                for item in group
            ]
            continue
        kept.append(group[0])
        left_out += [rejected(item, "duplicate", "same prompt", group[0].place, 1.0) for item in group[1:]]
    return kept


def _one_per_words(items: Sequence[Item], left_out: list[Rejected]) -> list[Item]:
    """The first of prompts with the same words, operators, numbers and answer; problems of families all stay."""

    def words(item: Item) -> Hashable:
        if item.key is not None:
            return item.id
        numbers = tuple(sorted(normalize.numbers(item.text).items()))
        return item.row["norm_hash"], normalize.operators(item.text), numbers, item.answer

    kept = []
    for group in _groups(items, words):
        kept.append(group[0])
        left_out += [rejected(item, "duplicate", "same words", group[0].id, 1.0) for item in group[1:]]
    return kept


def near_duplicates(items: Sequence[Item], settings: NearDuplicates) -> dict[str, tuple[str, float]]:
    """Items to leave out: id -> (id of the kept item it resembles most, Jaccard similarity of their shingles).

    Candidates by MinHash, then verified; items are taken in order and compared with those kept. Prompts with other
    numbers are instances of one template, and prompts with another answer another problem: neither is a duplicate.

    Source: specification 2.3 and 2.4; 5-word shingles, 3-word ones below 20 words.
    """
    found: dict[str, tuple[str, float]] = {}
    worded = [item for item in items if item.key is None]
    for short in (False, True):
        group = [item for item in worded if (len(normalize.words(item.text)) < SHORT_WORDS) == short]
        if len(group) > 1:
            found |= _near(group, SHORT_SHINGLE if short else SHINGLE, settings)
    return found


def _near(items: Sequence[Item], n: int, settings: NearDuplicates) -> dict[str, tuple[str, float]]:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=settings.candidates, num_perm=settings.num_perm, weights=WEIGHTS)
    empty = MinHash(num_perm=settings.num_perm, seed=MINHASH_SEED)
    kept: dict[str, Item] = {}
    found: dict[str, tuple[str, float]] = {}
    for item in items:
        shingles = _shingles(item, n)
        if not shingles:
            continue
        signature = empty.copy()
        signature.update_batch([" ".join(gram).encode() for gram in shingles])
        match = _best(item, shingles, [kept[str(name)] for name in index.query(signature)], n)
        if match is not None and match[1] >= settings.jaccard:
            found[item.id] = match
        else:
            kept[item.id] = item
            index.insert(item.id, signature)
    return found


def _shingles(item: Item, n: int) -> frozenset[Gram]:
    return frozenset(grams(normalize.words(item.text), n))


def _best(item: Item, shingles: frozenset[Gram], candidates: Sequence[Item], n: int) -> tuple[str, float] | None:
    """The most similar candidate with the same numbers and answer."""
    scored = [
        (jaccard(shingles, _shingles(other, n)) or 0.0, other.id)
        for other in candidates
        if other.answer == item.answer and _same_numbers(item.text, other.text)
    ]
    if not scored:
        return None
    score, name = max(scored)
    return name, score


def _same_numbers(a: str, b: str) -> bool:
    """Inside what the texts share, so that `17.` before one of them is no other number; of short texts as wholes."""
    first, second = Wording(normalize.plain_words(a)), Wording(normalize.plain_words(b))
    found = shared(first, second, COMMON_WORDS)
    return same_numbers(first, second, found) if found else normalize.same_numbers(a, b)
