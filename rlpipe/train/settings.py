"""The `train` and `runs` sections of params.yaml: sizes shared by all runs, and each run's stack of methods."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rlpipe.params.hyperparameters import ARTIFACT
from rlpipe.params.model_settings import MAX_NEW_TOKENS
from rlpipe.params.signatures import artifacts_named

STRICT = ConfigDict(extra="forbid", frozen=True)


class TrainSettings(BaseModel):
    """Sizes and optimizer of the RL stage; a run may override any of them under its own `train`."""

    model_config = STRICT

    steps: int = Field(150, ge=1, description="training steps: rounds of sampling and updating")
    prompts: int = Field(32, ge=1, description="prompts per step")
    rollouts: int = Field(16, ge=1, description="rollouts per prompt (the group)")
    mini_batches: int = Field(4, ge=1, description="optimizer updates per step")
    micro_batch_tokens: int = Field(2048, ge=16, description="most tokens, padding included, in one forward pass")
    max_new_tokens: int = Field(MAX_NEW_TOKENS, ge=1, description="longest response, tokens")
    temperature: float = Field(1.0, gt=0, description="sampling temperature; ratios are of the same distribution")
    learning_rate: float = Field(5.0e-4, gt=0, description="AdamW learning rate")
    betas: tuple[float, float] = Field((0.9, 0.99), description="AdamW's moments")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay")
    clip_grad_norm: float = Field(1.0, gt=0, description="gradient norm above which it is scaled down")
    warmup_steps: int = Field(0, ge=0, description="steps with rising learning rate")
    max_refills: int = Field(4, ge=0, description="rounds of further prompts when group filters left too few groups")
    engine: str = Field("hf", pattern="^(hf|vllm)$", description="who samples: the built-in engine or vLLM")
    logits_chunk_bytes: int = Field(64 * 2**20, ge=2**16, description="most bytes of logits that exist at once")
    processes: int = Field(
        1, ge=1, description="processes that train one run together; part of the result, as threads are"
    )
    shard: Literal["auto", "always", "never"] = Field(
        "auto", description="weights in shards over the processes; auto: where each has an accelerator"
    )
    threads: int = Field(1, ge=1, description="CPU threads; part of the result, as sums are ordered by it")
    checkpoint_every: int = Field(25, ge=1, description="steps between checkpoints a killed run resumes from")
    snapshots: int = Field(0, ge=0, description="policies kept on the way, evenly apart; contamination watches each")


class PhaseSettings(BaseModel):
    """A stretch of a run: `until` is a share of its steps; the last phase has none."""

    model_config = STRICT

    methods: list[str | dict[str, Any]] = Field(min_length=1)
    until: float | None = Field(None, gt=0, lt=1, description="share of the run's steps at which the next phase starts")


class PlantSettings(BaseModel):
    """Held-out prompts that a run is trained on a known number of times, to measure what contamination probes see."""

    model_config = STRICT

    members: int = Field(ge=1, description="prompts of the probe split that are planted; as many twins stay out")
    epochs: int = Field(ge=0, description="times each of them is met in training; 0 is the clean twin of a planted run")


class RunSettings(BaseModel):
    """A run: a named stack of methods (or phases of them), its seeds, and what it overrides of `train`."""

    model_config = STRICT

    seeds: list[int] = Field(min_length=1, description="repetitions wanted; not part of any result")
    methods: list[str | dict[str, Any]] | None = None
    phases: list[PhaseSettings] | None = None
    plant: PlantSettings | None = None
    start: str = Field(
        "sft", pattern=ARTIFACT, description="the policy it begins from: sft, train/<run> or one seed of it"
    )
    split: str = Field("train", min_length=1, description="split of the prompts it is trained on")
    train: dict[str, Any] = Field(default_factory=dict, description="keys of `train` this run overrides")

    @model_validator(mode="after")
    def _one_stack(self) -> RunSettings:
        if (self.methods is None) == (self.phases is None):
            raise ValueError("a run has either `methods` or `phases`")
        if self.phases and (self.phases[-1].until is not None or any(p.until is None for p in self.phases[:-1])):
            raise ValueError("every phase but the last needs `until`, and the last has none")
        unknown = set(self.train) - set(TrainSettings.model_fields)
        if unknown:
            raise ValueError(f"`train` has no {sorted(unknown)}; it has {sorted(TrainSettings.model_fields)}")
        return self

    def stacks(self) -> list[PhaseSettings]:
        """The run as phases; a run without phases is one."""
        return self.phases or [PhaseSettings(methods=self.methods or [], until=None)]

    def inputs(self, seed: int) -> dict[str, str]:
        """Artifacts that the run begins from or its methods name, as named; each with the seed it is read with."""
        named = [self.start, *(name for stack in self.stacks() for name in artifacts_named(stack.methods))]
        whole = ("sft", "/seed-")
        return {name: name if name == whole[0] or whole[1] in name else f"{name}/seed-{seed}" for name in named}

    def resolve(self, shared: TrainSettings) -> TrainSettings:
        """The shared settings with this run's overrides, validated again."""
        return TrainSettings.model_validate({**shared.model_dump(), **self.train})
