"""From the declared sources to items: files first, so that what is wrong with them shows before anything is drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from rlpipe.curate.files.answers import LeftOut
from rlpipe.curate.files.prompt_rows import to_row
from rlpipe.curate.files.reading import Reading, prompt_rows
from rlpipe.curate.files.records import Place, RowError
from rlpipe.curate.item import Item, Rejected
from rlpipe.curate.settings import CurateSettings, FileSource, GymSource, TaskSource
from rlpipe.tasks.problem import Problem
from rlpipe.types import draw_seed

PATIENCE = 20  # draws without a new problem, per problem known, before a level counts as exhausted
GYM_SEEDS = 4294  # reasoning-gym takes seeds below 2^32 and a million of them per draw


@dataclass
class Loaded:
    """All rows of all sources, and those that are no prompts."""

    items: list[Item] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def load(settings: CurateSettings) -> Loaded:
    """Read every file and draw every problem.

    Raises: RowError for a file or row that is malformed; ValueError for a family, level or task that does not exist, or
    one that has fewer distinct problems than asked for.
    """
    _check_tasks(settings)
    loaded, drawn = Loaded(), Draws(settings.seed)
    for source in settings.sources:
        if isinstance(source, FileSource):
            _read(source, loaded)
    for source in settings.sources:
        if isinstance(source, TaskSource):
            for level, count in source.levels.items():
                loaded.items += drawn.items(source, level, count)
        elif isinstance(source, GymSource):
            _draw_gym(source, settings.seed, loaded)
    return loaded


def _check_tasks(settings: CurateSettings) -> None:
    from rlpipe.tasks.catalogue import family

    for i, source in enumerate(settings.sources):
        if isinstance(source, TaskSource):
            known = family(source.task).LEVELS
            for level in source.levels:
                if level not in known:
                    raise ValueError(f"sources[{i}]: {source.task} has no level '{level}'; it has {', '.join(known)}")


def _read(source: FileSource, loaded: Loaded) -> None:
    kept = 0
    for place, layout, row in prompt_rows(source.path, Reading(source.format, source.data_source, source.columns)):
        if isinstance(row, LeftOut):
            name = source.data_source or layout
            loaded.rejected.append(Rejected("import", row.reason, name, str(place), detail=row.detail or None))
        else:
            loaded.items.append(Item({**row, "split": None}, str(place), source.splits))
            kept += 1
    if not kept:
        raise RowError(f"{source.path}: no row has a reference answer; remove it from the sources")


class Draws:
    """Problems of our families. Problem i of a level depends on (seed, family, level, i) alone.

    Sources that share a family continue one another, so no key is drawn for two of them.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self.next: dict[tuple[str, str], int] = {}
        self.keys: dict[str, set[str]] = {}

    def items(self, source: TaskSource, level: str, count: int) -> Iterator[Item]:
        """`count` problems with keys not drawn before.

        Raises: ValueError if there are not as many.
        """
        for number, problem in self._problems(source.task, level, count):
            place = f"{source.task}/{level}:{number}"
            yield Item(_row(problem, f"rlpipe/{source.task}", source.task, number, problem.level), place, source.splits)

    def _problems(self, task: str, level: str, count: int) -> Iterator[tuple[int, Problem]]:
        from rlpipe.tasks.catalogue import family

        module, keys = family(task), self.keys.setdefault(task, set())
        number, last, found = self.next.get((task, level), 0), self.next.get((task, level), 0), 0
        while found < count:
            problem = module.generate(random.Random(draw_seed(self.seed, "curate", task, level, number)), level)
            if problem.key not in keys:
                keys.add(problem.key)
                found, last = found + 1, number
                yield number, problem
            elif number - last > PATIENCE * (len(keys) + 10):
                raise ValueError(
                    f"{task}, level {level}: {count} problems asked for, {found} distinct ones found, and none in the last "
                    f"{number - last} draws; ask for fewer under curate.sources, or for a level with more problems"
                )
            number += 1
        self.next[task, level] = number


def _row(problem: Problem, source: str, ability: str, number: int, level: str | None) -> dict[str, Any]:
    """A problem as a row of prompts/1, with the key that tells it from others in its metadata."""
    record = {
        "data_source": source,
        "prompt": [{"role": "user", "content": problem.text}],
        "ability": ability,
        "reward_model": {"style": "rule", "ground_truth": problem.answer},
        "extra_info": {"split": None, "index": number},
        "key": problem.key,
    }
    row = to_row(record, Place(Path(source), number + 1), level)
    assert not isinstance(row, LeftOut), f"{source}: a problem without an answer"
    return row


def _draw_gym(source: GymSource, seed: int, loaded: Loaded) -> None:
    reasoning_gym = import_module("rlpipe.tasks.reasoning_gym")  # by name: part of the key only where it is used
    name = f"reasoning_gym/{source.reasoning_gym}"
    chosen = draw_seed(seed, "curate", name) % GYM_SEEDS if source.seed is None else source.seed
    drawn = reasoning_gym.draw(source.reasoning_gym, source.size, chosen, dict(source.config))
    for number, reason, question in drawn.rejected:
        loaded.rejected.append(Rejected("generate", reason, name, f"{name}:{chosen}:{number}", text=question))
    for number, problem in enumerate(drawn.problems):
        row = _row(problem, name, source.reasoning_gym, number, None)
        loaded.items.append(Item(row, f"{name}:{chosen}:{number}", source.splits))
