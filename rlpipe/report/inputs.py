"""What the report reads: the artifacts by name, their tables as far as a section needs them, and facts about them.

Everything here may be missing: one run, one seed, no contamination check. Readers return empty tables or None then, and
the sections say so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from rlpipe import artifacts
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.report.charts import Colours
from rlpipe.report.settings import ReportSettings

WARM_UP = "warm-up"
RUN = re.compile(r"^(train|evaluate|contamination)/(?P<run>[^/]+)/seed-(?P<seed>\d+)$")


class Data:
    """The inputs of the report. `params` are sections of params.yaml, as far as the stage was given them."""

    def __init__(self, inputs: Mapping[str, Path], settings: ReportSettings, params: Mapping[str, Any] | None = None):
        self.inputs = {name: Path(path) for name, path in inputs.items()}
        self.settings, self.params = settings, dict(params or {})
        self._tables: dict[tuple[Any, ...], pl.DataFrame] = {}

    # Runs

    @cached_property
    def seeds(self) -> dict[str, list[int]]:
        """Seeds by run; the baseline first, then the control, then the others as params.yaml lists them, or by name."""
        found: dict[str, set[int]] = {}
        for name in self.inputs:
            if match := RUN.match(name):
                found.setdefault(match["run"], set()).add(int(match["seed"]))
        listed = list(self.params.get("runs", {}))

        named = [self.settings.baseline, self.settings.control]

        def place(run: str) -> tuple[int, int, str]:
            first = named.index(run) if run in named else len(named)
            return first, listed.index(run) if run in listed else len(listed), run

        return {run: sorted(found[run]) for run in sorted(found, key=place)}

    @property
    def runs(self) -> list[str]:
        return list(self.seeds)

    @property
    def baseline(self) -> str | None:
        """The run others are compared with: the one the settings name, else the first."""
        return next(iter(self.runs), None)

    @property
    def control(self) -> str | None:
        """The run a method has to beat, where it is there and is not the baseline."""
        name = self.settings.control
        return name if name in self.seeds and name != self.baseline else None

    @cached_property
    def colours(self) -> Colours:
        return Colours(self.runs, WARM_UP)

    def names(self, stage: str, run: str) -> list[str]:
        """Artifacts of a stage and run, by seed; of the warm-up policy where `run` is `warm-up`."""
        if run == WARM_UP:
            names = ["sft" if stage == "train" else f"{stage}/sft"]
        else:
            names = [f"{stage}/{run}/seed-{seed}" for seed in self.seeds[run]]
        return [name for name in names if name in self.inputs]

    def path(self, name: str, file: str) -> Path | None:
        """A file of an artifact, where both are there."""
        path = self.inputs.get(name, Path("/nonexistent")) / file
        return path if path.exists() else None

    @cached_property
    def statistics(self) -> EvaluateSettings:
        """How the evaluations were made: their own settings, so that intervals agree with theirs."""
        return EvaluateSettings.model_validate(self.section("evaluate"))

    # Tables

    def table(
        self, name: str, file: str, schema: artifacts.Schema, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """A table of an artifact, empty where the file is absent; read once.

        Raises: ArtifactError if the file is there and is not of this schema.
        """
        key = (name, file, tuple(columns or ()))
        if key not in self._tables:
            path = self.path(name, file)
            if path is None:
                self._tables[key] = pl.DataFrame(pl.from_arrow(artifacts.to_table([], schema)))
            else:
                self._tables[key] = artifacts.read(path, schema, columns)
        return self._tables[key]

    def problems(self, name: str) -> pl.DataFrame:
        """A row per prompt of an evaluation with a column per metric; empty where there are none."""
        return self.table(name, "problems.parquet", artifacts.PROBLEMS)

    def steps(self, run: str) -> pl.DataFrame:
        """Metrics per step of all seeds of a run, with a column `seed`."""
        frames = []
        for name in self.names("train", run):
            seed = int(name.rpartition("-")[2])
            frame = self.table(name, "metrics.parquet", artifacts.STEPS)
            frames.append(frame.with_columns(pl.lit(seed).alias("seed")))
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame()

    def evaluation(self, name: str) -> pl.DataFrame:
        return self.table(name, "metrics.parquet", artifacts.EVAL)

    @cached_property
    def prompts(self) -> pl.DataFrame:
        return self.table("curate", "prompts.parquet", artifacts.PROMPTS)

    # Facts beside the tables

    def receipt(self, name: str) -> dict[str, Any]:
        """Key, action and spec of an artifact; empty where it has none."""
        return self._json(name, "receipt.json")

    def environment(self, name: str) -> dict[str, Any]:
        """Versions, machine, wall time and memory of the run that made an artifact; empty where it has none."""
        return self._json(name, "environment.json")

    def wall_seconds(self, name: str) -> float | None:
        """Wall time of the stage; of a run that was resumed, the seconds its steps took, which every checkpoint "
        "keeps."""
        environment = self.environment(name)
        path = self.path(name, "timings.parquet") if environment.get("resumed") else None
        if path is not None:
            frame = artifacts.read(path, artifacts.TIMINGS)
            phases = [column for column in frame.columns if column.startswith("seconds_")]
            return float(frame.select(pl.sum_horizontal(phases).sum()).item())
        spent = environment.get("wall_seconds")
        return float(spent) if isinstance(spent, int | float) else None

    def _json(self, name: str, file: str) -> dict[str, Any]:
        path = self.path(name, file)
        value = json.loads(path.read_text(encoding="utf-8")) if path else {}
        return value if isinstance(value, dict) else {}

    def section(self, name: str, artifact: str | None = None) -> dict[str, Any]:
        """A section of params.yaml: as given to the report, else as the receipt of an artifact (or any) has it."""
        if name in self.params:
            return dict(self.params[name] or {})
        for candidate in [artifact] if artifact else sorted(self.inputs):
            spec = self.receipt(candidate).get("spec", {})
            params = spec.get("params", {}) if isinstance(spec, dict) else {}
            if isinstance(params, dict) and isinstance(params.get(name), dict):
                return dict(params[name])
        return {}

    def run_settings(self, run: str) -> dict[str, Any]:
        """A run's entry under `runs`: methods or phases, and what it overrides of `train`."""
        for name in self.names("train", run):
            if found := self.section("runs", name).get(run):
                return dict(found)
        return {}

    def methods(self, run: str) -> list[str]:
        """Names of a run's methods, over all its phases, in order; empty where its settings are not known."""
        settings = self.run_settings(run)
        stacks = [
            settings.get("methods") or [],
            *(phase.get("methods") or [] for phase in settings.get("phases") or []),
        ]
        entries = (entry for stack in stacks for entry in stack)
        return [name for entry in entries for name in ([entry] if isinstance(entry, str) else entry)]

    def num_parameters(self) -> int | None:
        """Weights of the warm-up policy, counted from the headers of its safetensors files."""
        policy = self.path("sft", "policy")
        files = sorted(policy.glob("*.safetensors")) if policy else []
        return sum(_weights(file) for file in files) if files else None

    def model_config(self) -> dict[str, Any]:
        return self._json("sft", "policy/config.json")


def _weights(path: Path) -> int:
    """Weights in a safetensors file: its header gives the shape of every tensor."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    total = 0
    for name, tensor in header.items():
        if name != "__metadata__":
            n = 1
            for length in tensor["shape"]:
                n *= length
            total += n
    return total


def policy_name(run: str, seed: int | None) -> str:
    """`grpo, seed 0`; the warm-up has no seed of its own."""
    return run if seed is None else f"{run}, seed {seed}"
