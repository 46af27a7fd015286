"""params.yaml as a whole: one section per stage, each defined where the stage lives. For the Snakefile, not for stages.

`load` refuses what cannot work before anything runs; its messages name the file, the key, the value and the remedy.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.curate.files.shards import is_pattern, shards
from rlpipe.curate.settings import CurateSettings, FileSource, TaskSource
from rlpipe.environments.settings import EnvironmentSettings
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.params.between_sections import environment, inputs_of_runs, splits_of_runs, splits_without_prompts
from rlpipe.params.errors import did_you_mean, findings, numbers_read_as_text
from rlpipe.params.model_settings import ModelSettings
from rlpipe.pipeline.provenance import STAGES
from rlpipe.report.settings import ReportSettings
from rlpipe.search.settings import SearchStageSettings
from rlpipe.tasks.catalogue import families
from rlpipe.train.settings import RunSettings, TrainSettings
from rlpipe.train.sft.settings import SftSettings

HOME = Path(__file__).resolve().parents[2]
NAME = r"[a-z0-9][a-z0-9_-]*"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")


class ConfigError(ValueError):
    """params.yaml cannot be used as it is. One line per problem: file, key, value, remedy."""


class Params(BaseModel):
    """Everything the user decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    study: str | None = Field(None, description="results go to results/<study> and logs to logs/<study>")
    portable: bool = Field(
        True,
        description="kernels of one vector width, for equal results on all x86 processors with AVX2; false: the fastest",
    )
    curate: CurateSettings
    model: ModelSettings = Field(default_factory=lambda: ModelSettings.model_validate({}))
    sft: SftSettings = Field(default_factory=lambda: SftSettings.model_validate({}))
    train: TrainSettings = Field(default_factory=lambda: TrainSettings.model_validate({}))
    runs: dict[str, RunSettings] = Field(min_length=1, description="named stacks of methods and their seeds")
    evaluate: EvaluateSettings = Field(default_factory=lambda: EvaluateSettings.model_validate({}))
    contamination: ContaminationSettings = Field(default_factory=lambda: ContaminationSettings.model_validate({}))
    environment: EnvironmentSettings | None = Field(
        None, description="what answers back between the policy's turns; without the section, nothing"
    )
    search: SearchStageSettings | None = Field(None, description="searches at inference; without the section, none")
    report: ReportSettings = Field(default_factory=lambda: ReportSettings.model_validate({}))

    @property
    def results(self) -> str:
        """The results folder: a study has its own, so that it clobbers nothing."""
        return f"results/{self.study}" if self.study else "results"

    @property
    def logs(self) -> str:
        return f"logs/{self.study}" if self.study else "logs"

    def train_settings(self, run: str) -> TrainSettings:
        """The shared `train` section with a run's overrides."""
        return self.runs[run].resolve(self.train)

    def methods(self, run: str) -> list[str]:
        """Names of the methods of a run, over all its phases, each once."""
        entries = (entry for phase in self.runs[run].stacks() for entry in phase.methods)
        names = (name for entry in entries for name in ([entry] if isinstance(entry, str) else entry))
        return list(dict.fromkeys(names))

    def searches(self) -> list[str]:
        """Artifacts of searches asked for: of the warm-up, and of the first seeds of the runs that `search` names."""
        if self.search is None:
            return []
        chosen = self.runs if self.search.runs is None else self.search.runs
        found = [f"search/{run}/seed-{seed}" for run in chosen for seed in self.runs[run].seeds[: self.search.seeds]]
        return ["search/sft", *found]

    def checkers(self) -> list[str]:
        """Modules loaded by name for the sources of prompts, which rules must declare: task families and verifiers."""
        found: set[str] = set()
        for source in self.curate.sources:
            if isinstance(source, TaskSource):
                found.add(f"rlpipe.tasks.{source.task}")
            elif isinstance(source, FileSource):
                found.add("rlpipe.verifiers.code")
                if source.rows_name_their_source:  # any of them
                    found |= {f"rlpipe.tasks.{name}" for name in (*families(), "reasoning_gym")}
            else:
                found.add("rlpipe.tasks.reasoning_gym")
        return sorted(found)

    def environment_code(self) -> list[str]:
        """The module of the environment, loaded by name wherever rollouts are drawn."""
        return [f"rlpipe.environments.{self.environment.name}"] if self.environment else []

    def files(self) -> list[str]:
        """Source files and folders of prompts, in order; their content is part of the key of `curate`."""
        found = (file for source in self.curate.sources if isinstance(source, FileSource) for file in source.files)
        return list(dict.fromkeys(map(str, found)))


def load(config: Mapping[str, Any], where: str = "params.yaml", home: Path = HOME) -> Params:
    """The parameters as read from the file `where`, checked. `home` is the folder that holds `rlpipe/`.

    Raises: ConfigError with every problem found.
    """
    problems = [*_unwritable(config), *numbers_read_as_text(config)]
    if problems:
        raise _error(where, problems)
    try:
        params = Params.model_validate(config)
    except ValidationError as error:
        raise _error(where, findings(error, config, Params)) from None
    problems = [*_names(params), *_run_references(config), *_methods(params)]
    if not problems:  # what methods name can only be read off methods that are right
        problems += [*inputs_of_runs(params.runs), *environment(params.environment, params.search)]
    probed = params.contamination
    problems += splits_of_runs(params.runs, probed.nonmember_split, probed.benchmark_split)
    problems += splits_without_prompts(params.curate, _splits(params))
    problems += [*_sources(params, home), *_model(params), *_marker(params)]
    if problems:
        raise _error(where, problems)
    return params


def _error(where: str, problems: Sequence[str]) -> ConfigError:
    return ConfigError("\n".join(f"{where}: {problem}" for problem in problems))


def _unwritable(config: Mapping[str, Any]) -> Iterator[str]:
    for key, value in config.items():
        try:
            json.dumps(value)
        except TypeError:
            yield f"{key}: holds a value that is no text, number, list or mapping (a date, perhaps?); put it in quotes"


def _names(params: Params) -> Iterator[str]:
    if params.study is not None and (not re.fullmatch(NAME, params.study) or params.study in STAGES):
        yield f"study = {params.study}: use lower-case letters, digits, _ and -, and not the name of a stage"
    for run, settings in params.runs.items():
        if not re.fullmatch(NAME, run) or run == "sft":
            yield f"runs.{run}: use lower-case letters, digits, _ and -; 'sft' is the name of the warm-up"
        wrong = [seed for seed in settings.seeds if seed < 0 or settings.seeds.count(seed) > 1]
        if wrong:
            yield f"runs.{run}.seeds = {settings.seeds}: seeds are different whole numbers from 0 on"
        try:
            settings.resolve(params.train)
        except ValidationError as error:
            yield from (f"runs.{run}.train.{line}" for line in findings(error, settings.train, TrainSettings))


def _run_references(config: Mapping[str, Any]) -> Iterator[str]:
    """Runs that other sections name on purpose; their defaults may name one that is not there."""
    for key in ("baseline", "control"):
        run = (config.get("report") or {}).get(key)
        if run is not None and run not in config["runs"]:
            yield f"report.{key} = {run}: no such run{did_you_mean(str(run), list(config['runs']))}"
    for run in (config.get("search") or {}).get("runs") or []:
        if run not in config["runs"]:
            yield f"search.runs names {run}: no such run{did_you_mean(str(run), list(config['runs']))}"


def _methods(params: Params) -> Iterator[str]:
    """Methods of every phase by themselves, and then the phases of a run as a whole."""
    from rlpipe.params.signatures import check_methods
    from rlpipe.phases import check_phases

    for run, settings in params.runs.items():
        wrong = []
        for i, phase in enumerate(settings.stacks()):
            try:
                check_methods(phase.methods)
            except ValueError as error:
                wrong.append(f"runs.{run}.{f'phases[{i}].' if settings.phases else ''}methods: {error}")
        try:
            if settings.phases and not wrong:
                check_phases([phase.model_dump(exclude_none=True) for phase in settings.phases])
        except ValueError as error:
            wrong.append(f"runs.{run}.phases: {error}")
        yield from wrong


def _splits(params: Params) -> dict[str, str]:
    """The split that each stage reads, by the key that says so."""
    needed = {f"sft.steps = {params.sft.steps}, split": "demonstration"} if params.sft.steps else {}
    needed |= {f"runs.{run}.split": settings.split for run, settings in params.runs.items()}
    needed |= {"evaluate.split": params.evaluate.split}
    needed |= {"search.split": params.search.split} if params.search else {}
    probed = params.contamination
    return needed | {
        "contamination.nonmember_split": probed.nonmember_split,
        "contamination.benchmark_split": probed.benchmark_split,
    }


def _marker(params: Params) -> Iterator[str]:
    """The word that asks for another solution has to be taught before it is asked with."""
    asked, sft = params.contamination.second_response, params.sft
    key = "contamination.second_response"
    if asked.kind != "marker":
        return
    if not sft.second_share and params.model.path is None:
        yield (
            f"{key}.kind = marker: the warm-up does not teach the word '{asked.marker}' (sft.second_share = 0); set "
            "sft.second_share to 0.1, or the kind to critique for a model that follows instructions"
        )
    elif sft.second_share and asked.marker != sft.second_marker:
        yield (
            f"{key}.marker = {asked.marker}: the warm-up teaches '{sft.second_marker}' (sft.second_marker); make the two "
            "the same word"
        )


def _sources(params: Params, home: Path) -> Iterator[str]:
    """What can be known of sources without reading them: families, levels, files."""
    for i, source in enumerate(params.curate.sources):
        key = f"curate.sources[{i}]"
        if isinstance(source, TaskSource):
            if source.task not in families():
                yield f"{key}.task = {source.task}: no such family{did_you_mean(source.task, families())}"
                continue
            levels = _levels(home / "rlpipe" / "tasks" / f"{source.task}.py")
            for level in source.levels:
                if levels and level not in levels:
                    yield f"{key}.levels.{level}: {source.task} has no such level{did_you_mean(level, levels)}"
        elif isinstance(source, FileSource):
            owner, _, family = (source.data_source or "").partition("/")
            if owner == "rlpipe" and family not in families():
                yield f"{key}.data_source = {source.data_source}: no such family{did_you_mean(family, families())}"
            if not is_pattern(source.path) and not Path(source.path).exists():
                if not Path(f"{source.path.rstrip('/')}.dvc").is_file():
                    yield f"{key}.path = {source.path}: no such file, nor a pointer {source.path}.dvc to pull it by"
                continue
            try:
                shards(source.path)
            except ValueError as error:
                yield f"{key}.path: {error}"


def _levels(file: Path) -> list[str]:
    """Keys of the dictionary LEVELS in a family's file, where they are written out; the family is not imported."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "LEVELS" for target in targets):
                return [str(k.value) for k in node.value.keys if isinstance(k, ast.Constant)]
    return []


def _model(params: Params) -> Iterator[str]:
    """A pretrained model given by a path; a name on the Hugging Face hub is left to the stage."""
    path = params.model.path
    if path is None:
        return
    folder = Path(path)
    if not folder.is_dir():
        if path.startswith((".", "/", "~")) or path.count("/") != 1:
            yield f"model.path = {path}: no such directory; give one in Hugging Face layout, or a name like org/model"
        return
    if not (folder / "config.json").is_file():
        yield f"model.path = {path}: holds no config.json; save the model with `save_pretrained`"
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        yield f"model.path = {path}: holds no tokenizer; save it there too, with `tokenizer.save_pretrained`"
