"""Planting: a few prompts that a run is trained on a known number of times, with untouched twins to compare them to.

For measuring what a contamination probe can see. The candidates are prompts that nothing else trains on; half of those
chosen, the members, are mixed into the pool `epochs` times each, the other half, the non-members, stay out. A run with
`epochs: 0` is the clean twin: the same choice, and no member is ever trained on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from rlpipe.types import Prompt, draw_seed

Stratum = tuple[str, str]


def choose_twins(candidates: Sequence[Prompt], members: int, seed: int) -> tuple[list[Prompt], list[Prompt]]:
    """`members` prompts to plant and as many to leave out, with equal numbers of each source and level; sorted by id.

    Which prompts are chosen depends on their ids and the seed, not on their order.
    Source: RL-MIA, arXiv:2510.09259, section 4.1: split half and half after de-duplication and matching by difficulty.

    Raises: ValueError if there are fewer than twice as many candidates, by strata, as members.
    """
    strata: dict[Stratum, list[Prompt]] = defaultdict(list)
    for prompt in candidates:
        strata[prompt.source, prompt.difficulty or ""].append(prompt)
    pairs = {name: len(prompts) // 2 for name, prompts in strata.items()}
    if not 0 < members <= sum(pairs.values()):
        raise ValueError(
            f"plant: {members} members need as many twins of the same source and level, and the {len(candidates)} "
            f"candidates make {sum(pairs.values())} pairs; lower plant.members or give the split more prompts"
        )
    planted: list[Prompt] = []
    left_out: list[Prompt] = []
    for name, count in _shares(pairs, members).items():
        order = sorted(strata[name], key=lambda p: (draw_seed("plant", seed, p.id), p.id))
        planted += order[:count]
        left_out += order[count : 2 * count]
    return sorted(planted, key=lambda p: p.id), sorted(left_out, key=lambda p: p.id)


def _shares(room: dict[Stratum, int], total: int) -> dict[Stratum, int]:
    """`total` split in proportion to `room`, never above it: whole parts, then the largest remainders."""
    whole = sum(room.values())
    count = {name: total * size // whole for name, size in sorted(room.items())}
    byremainder = sorted(count, key=lambda name: (-(total * room[name] % whole), name))
    for name in byremainder[: total - sum(count.values())]:
        count[name] += 1
    return count


def plant(
    pool: Sequence[Prompt], candidates: Sequence[Prompt], members: int, epochs: int, seed: int, draws: int
) -> list[Prompt]:
    """A pool of exactly `draws` prompts: every member `epochs` times, the rest ordinary prompts of `pool`.

    `draws` is how many prompts the whole run draws (steps times prompts per step), so one shuffled pass over this pool
    is the run, and every member is met exactly `epochs` times, spread over it. Ordinary prompts are as equal in number
    as can be: whole passes over the pool, then some chosen by seed.

    Raises: ValueError as `choose_twins`; if members and epochs ask for more than `draws`; if the pool is empty while
    ordinary prompts are needed, or holds a candidate.
    """
    planted = choose_twins(candidates, members, seed)[0] * epochs
    shared = {p.id for p in pool} & {p.id for p in candidates}
    if shared:
        raise ValueError(f"plant: {len(shared)} candidates, such as {min(shared)}, are in the training pool too")
    ordinary = draws - len(planted)
    if ordinary < 0:
        raise ValueError(
            f"plant: {members} members x {epochs} epochs are {len(planted)} draws, more than the run's {draws}; "
            f"lower plant.members or plant.epochs, or raise train.steps or train.prompts"
        )
    if ordinary and not pool:
        raise ValueError(f"plant: {ordinary} draws are left for ordinary prompts, and the pool has none")
    order = sorted(pool, key=lambda p: (draw_seed("ordinary", seed, p.id), p.id))
    passes, rest = divmod(ordinary, len(order)) if order else (0, 0)
    return planted + order * passes + order[:rest]
