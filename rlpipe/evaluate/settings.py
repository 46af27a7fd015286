"""What the user decides about evaluation: section `evaluate` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rlpipe.params.model_settings import MAX_NEW_TOKENS

SINGLE = (
    "consensus",
    "weighted_vote",
    "answer_entropy",
    "answer_entropy_corrected",
    "token_entropy",
    "distinct_correct",
    "response_length",
    "truncation_rate",
    "no_answer_rate",
    "verifier_error_rate",
)


class EvaluateSettings(BaseModel):
    """Sampling, statistics and limits of the evaluate stage. Every field is part of the artifact's key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: str = Field(default="test", min_length=1, description="split of prompts.parquet that is evaluated")
    limit: int | None = Field(
        default=None, ge=1, description="prompts per source and level, chosen by a hash of their id; none: all of them"
    )
    samples: int = Field(default=64, ge=1, description="rollouts drawn per prompt (n)")
    temperature: float = Field(
        default=1.0, ge=0.0, description="sampling temperature; 0 is greedy and allows one sample only"
    )
    top_p: float = Field(default=1.0, gt=0.0, le=1.0, description="nucleus kept when sampling; 1 keeps all tokens")
    top_k: int = Field(default=0, ge=0, description="most probable tokens kept when sampling; 0 keeps all tokens")
    max_new_tokens: int = Field(
        default=MAX_NEW_TOKENS, ge=1, description="longest response in tokens, its end token included"
    )
    ks: tuple[int, ...] = Field(
        default=(),
        description="k of pass@k, majority@k and best-of-k, powers of two; empty: all of them up to `samples`",
    )
    seed: int = Field(
        default=0, ge=0, description="seed of sampling and resampling; equal seeds give every run the same draws"
    )
    on_the_way: int = Field(
        default=8, ge=0, description="rollouts per prompt of every policy kept on the way (train.snapshots); 0: none"
    )
    engine: str = Field(default="hf", pattern="^(hf|vllm)$", description="who samples: the built-in engine or vLLM")
    batch_size: int = Field(
        default=512, ge=1, description="rollouts decoded at once; changes memory and speed, not results"
    )
    threads: int = Field(default=1, ge=1, description="CPU threads of the model; part of the key, as sums depend on it")
    interval: Literal["mid_p", "bootstrap_t", "bootstrap_problem", "t"] = Field(
        default="mid_p",
        description="mid-P for metrics in [0, 1] (bootstrap_t for others), studentised or percentile bootstrap, or t",
    )
    bootstrap_draws: int = Field(default=10_000, ge=100, description="resamples of the prompts behind an interval (B)")
    flip_draws: int = Field(default=100_000, ge=1000, description="random sign flips of a paired test above 20 prompts")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="coverage asked of every interval")
    primary_metric: str = Field(
        default="pass@1", description="the one metric named in advance: `pass@1`, `majority@8`, `answer_entropy`, ..."
    )
    max_verifier_error_rate: float = Field(
        default=0.02, ge=0.0, le=1.0, description="share of answers the verifier may fail on before the stage stops"
    )
    cross_check: float = Field(
        default=0.01,
        ge=0.0,
        le=1.0,
        description="share of exactly compared answers that math-verify judges a second time",
    )
    unusable: Literal["refuse", "drop"] = Field(
        default="refuse",
        description="rollouts of a file that hold NaN, or repeat a prompt's sample: refused, or left out",
    )

    @field_validator("ks")
    @classmethod
    def _powers_of_two(cls, ks: tuple[int, ...]) -> tuple[int, ...]:
        wrong = [k for k in ks if k < 1 or k & (k - 1)]
        if wrong or list(ks) != sorted(set(ks)):
            raise ValueError(f"ks = {list(ks)}: give increasing powers of two, such as [1, 2, 4, 8]")
        return ks

    @model_validator(mode="after")
    def _consistent(self) -> EvaluateSettings:
        if self.ks and self.ks[-1] > self.samples:
            raise ValueError(f"ks holds {self.ks[-1]}, more than samples = {self.samples}; lower ks or raise samples")
        if self.temperature == 0 and self.samples > 1:
            raise ValueError(f"temperature 0 gives {self.samples} equal samples per prompt; set samples to 1")
        if self.primary_metric not in self.metrics:
            raise ValueError(f"primary_metric '{self.primary_metric}' is none of {', '.join(self.metrics)}")
        return self

    @property
    def powers(self) -> tuple[int, ...]:
        """The ks in use: those given, or every power of two up to `samples`."""
        return self.ks or tuple(2**i for i in range(self.samples.bit_length()))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that these settings bring about, as written in `primary_metric`."""
        of_k = [f"{name}{k}" for name in ("pass@", "pass^", "majority@", "best_of@") for k in self.powers]
        return (*of_k, f"mean@{self.samples}", *SINGLE)
