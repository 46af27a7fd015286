"""Who is probed: members (trained on), matched non-members (never trained on) and suspects (benchmark prompts)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlpipe import artifacts
from rlpipe.contamination.probes.detectors import MEMBER, NONMEMBER, SUSPECT
from rlpipe.contamination.probes.probe import Probed
from rlpipe.prompts import by_hash
from rlpipe.types import Prompt, draw_seed

COLUMNS = ("prompt_id", "policy_step", "group_id", "reward", "info_json")


@dataclass(frozen=True, order=True)
class Exposure:
    """How often a prompt was trained on: groups with different rewards, which alone carry gradient, and all groups."""

    informative: int = 0
    groups: int = 0


@dataclass(frozen=True)
class Trained:
    """What a run was trained on: exposure by prompt id, and its number of steps."""

    exposures: Mapping[str, Exposure]
    steps: int

    @classmethod
    def of(cls, rollouts: Path) -> Trained:
        """From a run's `rollouts.parquet`, read in parts; groups that a filter dropped do not count.

        Raises: ArtifactError for a file of another schema.
        """
        rewards: dict[tuple[str, int, str], tuple[float, float]] = {}
        steps = 0
        for part in artifacts.stream(rollouts, artifacts.ROLLOUTS, COLUMNS):
            for prompt_id, step, group, reward, info in part.select(COLUMNS).iter_rows():
                steps = max(steps, step + 1)
                if info is not None and json.loads(info).get("kept") is False:
                    continue
                key = (prompt_id, step, group or "")
                low, high = rewards.get(key, (reward, reward))
                rewards[key] = (min(low, reward), max(high, reward))
        groups = Counter(prompt_id for prompt_id, _, _ in rewards)
        informative = Counter(key[0] for key, (low, high) in rewards.items() if low < high)
        return cls({prompt_id: Exposure(informative[prompt_id], n) for prompt_id, n in groups.items()}, steps)


def match(
    members: Sequence[Prompt], nonmembers: Sequence[Prompt], exposed: Mapping[str, Exposure], limit: int, seed: int
) -> list[Probed]:
    """At most `limit` members of each source, the most exposed first, each with a non-member of its source and level.

    Ties and the choice of non-members are by a hash of (seed, prompt id), never by the order of rows. Members are then
    sorted by id, non-members too.

    Raises: ValueError if no member has a non-member of its source and level.
    """
    free: dict[tuple[str, str | None], list[Prompt]] = defaultdict(list)
    for prompt in reversed(by_hash(nonmembers, "nonmember", seed)):
        free[prompt.source, prompt.difficulty].append(prompt)

    def rank(p: Prompt) -> tuple[int, int, int, str]:
        met = exposed.get(p.id, Exposure())
        return -met.informative, -met.groups, draw_seed("member", seed, p.id), p.id

    chosen: list[Prompt] = []
    twins: list[Prompt] = []
    taken: Counter[str] = Counter()
    for prompt in sorted(members, key=rank):
        if taken[prompt.source] < limit and free[prompt.source, prompt.difficulty]:
            taken[prompt.source] += 1
            chosen.append(prompt)
            twins.append(free[prompt.source, prompt.difficulty].pop())
    if not chosen:
        raise ValueError(
            f"contamination: none of {len(members)} trained prompts has an untrained twin of its source and level "
            f"among {len(nonmembers)}; give the split `contamination.nonmember_split` a share of the same sources"
        )
    found = [Probed(p, MEMBER, exposed.get(p.id, Exposure()).groups) for p in sorted(chosen, key=lambda p: p.id)]
    return found + [Probed(p, NONMEMBER, 0) for p in sorted(twins, key=lambda p: p.id)]


def suspects(benchmark: Iterable[Prompt], nonmembers: Iterable[Prompt], limit: int, seed: int) -> list[Probed]:
    """At most `limit` prompts of each source of a benchmark, with the levels of the non-members they are compared to.

    For each non-member of the source, in the order of a hash, a benchmark prompt of its level while there are any; a
    source without non-members has no suspects, as there is nothing to compare with. Sorted by id.
    """
    free: dict[tuple[str, str | None], list[Prompt]] = defaultdict(list)
    for prompt in reversed(by_hash(benchmark, "suspect", seed)):
        free[prompt.source, prompt.difficulty].append(prompt)
    taken: Counter[str] = Counter()
    found = []
    for twin in by_hash(nonmembers, "compared", seed):
        if taken[twin.source] < limit and free[twin.source, twin.difficulty]:
            taken[twin.source] += 1
            found.append(Probed(free[twin.source, twin.difficulty].pop(), SUSPECT))
    return sorted(found, key=lambda p: p.prompt.id)
