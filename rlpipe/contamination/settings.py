"""The `contamination` section of params.yaml: who is probed, with what, and when a finding counts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rlpipe.overlap.thresholds import OverlapThresholds

Detector = Literal[
    "self_critique",
    "ppl",
    "min_k",
    "min_k_plus_plus",
    "recall",
    "cdd",
    "entropy_temp",
    "entropy_noise",
    "greedy_entropy",
    "lara",
    "accuracy",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SecondResponse(_Section):
    """How the policy is asked to solve the same prompt another way."""

    kind: Literal["critique", "marker"] = Field(
        default="critique",
        description="critique: in words, for a model that follows instructions; marker: a word the warm-up taught",
    )
    marker: str = Field(
        default="otherwise",
        pattern=r"^\S+$",
        description="Word after the first response that means `solve it differently`; for kind marker",
    )


class Completion(_Section):
    """Completion probe: is the end of a benchmark question known by heart?"""

    enabled: bool = Field(default=True, description="Run it")
    prompts: int = Field(default=50, ge=1, description="Benchmark prompts shown in part")
    shown: float = Field(default=0.6, gt=0, lt=1, description="Share of the words of a question that is shown")

    @property
    def limit(self) -> int:
        """Prompts to show; 0 where the probe is off."""
        return self.prompts if self.enabled else 0


class Drift(_Section):
    """Misevolution watch: a frozen set of prompts, answered before and after training."""

    enabled: bool = Field(default=True, description="Run it")
    frozen: Literal["format", "text"] = Field(
        default="format",
        description="format: prompts of the task, judged by form; text: built-in safety and format prompts",
    )
    prompts: int = Field(
        default=48, ge=2, description="Prompts of the frozen set; the text set is never larger than built in"
    )
    delta: float = Field(
        default=0.1, gt=0, lt=0.5, description="Chance of missing a drift that the alarm allows, over all checkpoints"
    )
    tolerance: float = Field(
        default=0.05, ge=0, le=1, description="Mean rise in cost (0 right, 1 wrong) that is not worth an alarm"
    )


class ContaminationSettings(_Section):
    """What the contamination stage is asked to do. Every field is part of the artifact's key."""

    prompts_per_class: int = Field(
        default=50, ge=2, description="Members (trained on) and as many non-members (never), at most, of each source"
    )
    benchmark_prompts: int = Field(
        default=50, ge=0, description="Evaluation prompts probed as suspects, at most, of each source; 0: none"
    )
    nonmember_split: str = Field(
        default="probe", min_length=1, description="Split of prompts.parquet that is never trained on"
    )
    benchmark_split: str = Field(
        default="test", min_length=1, description="Split of prompts.parquet that runs are evaluated on"
    )
    second_response: SecondResponse = Field(default_factory=SecondResponse)
    noise: Literal["prose", "words"] = Field(
        default="prose",
        description="What surrounds a prompt in the noise pass; prose: unrelated sentences; words: of other prompts",
    )
    max_new_tokens: int = Field(default=32, ge=1, description="Longest response in tokens: that of training")
    second_max_new_tokens: int | None = Field(
        default=None, ge=1, description="Longest second response in tokens; none: twice max_new_tokens"
    )
    samples: int = Field(default=10, ge=1, description="Sampled responses per prompt (R), for CDD and Entropy-Temp")
    temperature: float = Field(default=0.8, gt=0, description="Temperature of those samples; entropies are always at 1")
    top_p: float = Field(default=0.95, gt=0, le=1, description="Nucleus kept when drawing those samples")
    topk: int | None = Field(
        default=50,
        ge=1,
        description="Most likely tokens that entropies are summed over (K); none, or K >= vocabulary: all",
    )
    primary: Detector = Field(
        default="self_critique", description="The one detector, named in advance, that a verdict rests on"
    )
    bootstrap_draws: int = Field(
        default=2000, ge=100, description="Resamples of members and non-members behind an interval"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="Coverage asked of every interval")
    exploratory_below: int = Field(default=50, ge=2, description="Prompts per class below which an AUC decides nothing")
    contaminated_share: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="Share of a benchmark found in the training prompts from which it is contaminated",
    )
    overlap: OverlapThresholds = Field(default_factory=OverlapThresholds, description="When two prompts are the same")
    completion: Completion = Field(default_factory=Completion)
    drift: Drift = Field(default_factory=Drift)
    seed: int = Field(default=0, ge=0, description="Of the choice of prompts, the samples and the resampling")
    engine: str = Field(default="hf", pattern="^(hf|vllm)$", description="who samples: the built-in engine or vLLM")
    batch_size: int = Field(
        default=512, ge=1, description="Rollouts decoded at once; changes memory and speed, not results"
    )
    threads: int = Field(default=1, ge=1, description="CPU threads of the model; part of the key, as sums depend on it")

    @model_validator(mode="after")
    def _splits_differ(self) -> ContaminationSettings:
        if self.nonmember_split == self.benchmark_split:
            raise ValueError(
                f"nonmember_split and benchmark_split are both {self.benchmark_split!r}; suspects and clean prompts "
                f"must come from different splits"
            )
        return self

    @property
    def second_cap(self) -> int:
        """Longest second response, tokens."""
        return self.second_max_new_tokens or 2 * self.max_new_tokens
