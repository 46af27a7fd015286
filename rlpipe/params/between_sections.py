"""Problems that no section of params.yaml has by itself: runs that begin from each other, splits, environments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rlpipe.curate.settings import SPLITS, CurateSettings
from rlpipe.environments.catalogue import environments
from rlpipe.environments.settings import EnvironmentSettings
from rlpipe.params.errors import did_you_mean
from rlpipe.search.settings import SAMPLED, SearchStageSettings
from rlpipe.train.settings import RunSettings


def inputs_of_runs(runs: Mapping[str, RunSettings]) -> Iterator[str]:
    """Artifacts that runs begin from or their methods name: declared, and none made of itself."""
    made_of: dict[str, set[str]] = {}
    for run, settings in runs.items():
        for seed in settings.seeds:
            for named, artifact in settings.inputs(seed).items():
                made_of.setdefault(f"train/{run}/seed-{seed}", set()).add(artifact)
                yield from (f"runs.{run}: {named} {problem}" for problem in _undeclared(runs, artifact))
    for name in made_of:
        if name in _behind(name, made_of):
            yield f"runs.{name.split('/')[1]}: begins, in the end, from itself ({name}); give one of the runs another start"
            return


def _undeclared(runs: Mapping[str, RunSettings], artifact: str) -> Iterator[str]:
    if artifact == "sft":
        return
    _, run, seed = artifact.split("/")
    if run not in runs:
        yield f"names no run{did_you_mean(run, list(runs))}"
    elif int(seed.removeprefix("seed-")) not in runs[run].seeds:
        yield f"needs {seed.replace('-', ' ')} of {run}; add it to runs.{run}.seeds = {runs[run].seeds}"


def _behind(name: str, made_of: dict[str, set[str]]) -> set[str]:
    """All that an artifact is made of, directly or not."""
    found: set[str] = set()
    todo = [name]
    while todo:
        new = made_of.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def splits_of_runs(runs: Mapping[str, RunSettings], nonmembers: str, benchmark: str) -> Iterator[str]:
    """A run may not be trained on the prompts that its contamination check, or its evaluation, needs untrained."""
    for run, settings in runs.items():
        for key, split in (("nonmember_split", nonmembers), ("benchmark_split", benchmark)):
            if settings.split == split:
                yield (
                    f"runs.{run}.split = {split}: these prompts have to stay untrained, as contamination.{key} compares "
                    f"with them; train on another split"
                )


def splits_without_prompts(curate: CurateSettings, needed: Mapping[str, str]) -> Iterator[str]:
    """Splits that a later stage reads and no source gives prompts to. `needed`: the split by the key that asks for it."""
    filled = {split for source in curate.sources for split in curate.filled_by(source)}
    for key, split in needed.items():
        if split in filled:
            continue
        if split not in SPLITS:
            yield f"{key} = {split}: no such split{did_you_mean(split, SPLITS)}"
        elif any(split in source.splits for source in curate.sources):
            yield f"{key} = {split}: this split gets no prompts; give it a share: curate.fractions.{split}"
        else:
            yield f"{key} = {split}: this split gets no prompts; name it among the `splits` of one of curate.sources"


def environment(settings: EnvironmentSettings | None, search: SearchStageSettings | None) -> Iterator[str]:
    """An environment there is, and searches that can be made in conversations."""
    if settings is None:
        return
    if settings.name not in environments():
        yield f"environment.name = {settings.name}: no such environment{did_you_mean(settings.name, environments())}"
    stepwise = [m for m in search.methods if m not in SAMPLED] if search else []
    if stepwise:
        yield (
            f"search.methods = {stepwise}: these grow one turn step by step, and with an environment a response has "
            f"several; write methods: [weighted_vote]"
        )
