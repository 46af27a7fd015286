"""Settings of the Feedback Friction loop, as `rlpipe friction --set key=value` takes them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class FrictionSettings(BaseModel):
    """How often a policy is told that it is wrong, in which words, and how it tries again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: str = Field(default="test", min_length=1, description="split of the prompts, where their file has splits")
    limit: int | None = Field(default=20, ge=1, description="prompts of each source and level; null takes all")
    rounds: int = Field(default=10, ge=0, description="rounds of feedback after the first answer")
    feedback: Literal["binary", "self"] = Field(
        default="binary", description="`text` alone, or what the policy writes itself once told the reference answer"
    )
    text: str = Field(
        default="Your answer is incorrect. Try again.",
        min_length=1,
        description="the binary feedback; of a policy without instructions, the word its warm-up taught",
    )
    feedback_tokens: int = Field(default=256, ge=1, description="longest feedback the policy writes itself, in tokens")
    max_new_tokens: int = Field(default=32, ge=1, description="longest response in tokens, its end token included")
    heat: bool = Field(default=False, description="temperature 0.15 x round, at most 1.5, instead of greedy")
    list_earlier: bool = Field(default=False, description="adds the earlier answers to the feedback")
    tries: int = Field(
        default=1, ge=1, description="responses drawn per round until an answer is new; the paper has 25"
    )
    sufficient: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="share of wrong items whose feedback was judged correct and sufficient",
    )
    seed: int = Field(default=0, ge=0, description="seed of sampling and of intervals")
    engine: str = Field(default="hf", pattern="^(hf|vllm)$", description="who samples: the built-in engine or vLLM")
    batch_size: int = Field(default=512, ge=1, description="dialogues decoded at once; changes memory and speed only")
    threads: int = Field(default=1, ge=1, description="CPU threads of the model")
    interval: Literal["mid_p", "bootstrap_t", "bootstrap_problem", "t"] = Field(
        default="mid_p",
        description="mid-P for metrics in [0, 1] (bootstrap_t for others), studentised or percentile bootstrap, or t",
    )
    bootstrap_draws: int = Field(default=4000, ge=100, description="resamples of the prompts behind an interval (B)")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="coverage asked of every interval")

    @model_validator(mode="after")
    def _consistent(self) -> FrictionSettings:
        if self.tries > 1 and not self.heat:
            raise ValueError(f"tries = {self.tries} at temperature 0 repeats one response; set heat to true")
        return self
