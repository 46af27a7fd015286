"""Settings of the stage `search`: which searches run on which checkpoints and prompts, and how they are compared."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rlpipe.params.model_settings import MAX_NEW_TOKENS

REFERENCES = ("best_of_n", "self_consistency")  # always run: the others are compared with them
SAMPLED = (*REFERENCES, "weighted_vote")  # pick among whole samples
TREES = ("beam", "dvts")
FILTERS = ("pf_prefix", "epf", "epf_entropy", "epf_base")
LOOK_AHEADS = ("apf", "mean", "next")
ORACLE = "verifier"
SCORERS = {
    "likelihood": "exp(mean log-probability of all tokens)",
    "confidence": "exp(mean log-probability of the newest step's tokens)",
    ORACLE: "oracle: 1 once the verifier finds the text correct, else 0.5",
}
METHODS = (*SAMPLED, *TREES, *FILTERS, *(f"{name}+{mode}" for name in FILTERS for mode in LOOK_AHEADS))


class SearchStageSettings(BaseModel):
    """The section `search`. Without the section nothing is searched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: tuple[str, ...] | None = Field(
        default=None, description="runs searched beside the warm-up; none named: every run"
    )
    seeds: int = Field(
        default=1, ge=0, description="how many seeds of each run, from the first; 0 searches the warm-up alone"
    )
    split: str = Field(default="test", min_length=1, description="split of the prompts")
    limit: int | None = Field(
        default=6,
        ge=1,
        description="prompts of each source and level, the first of those `evaluate` takes; null takes all",
    )
    methods: tuple[str, ...] = Field(
        default=("weighted_vote", "beam", "dvts", "pf_prefix", "epf"),
        description="searches beside best_of_n and self_consistency, which are always run",
    )
    budgets: tuple[int, ...] = Field(
        default=(4, 16, 64),
        min_length=1,
        description="budgets in whole samples, increasing: b stands for b times the mean tokens of a sample, per prompt",
    )
    repeats: int = Field(default=1, ge=1, description="independent searches per prompt, method and size")
    scorer: Literal["likelihood", "confidence", "verifier"] = Field(
        default="likelihood",
        description="score of a response or its beginning: exp(mean log-probability) of all its tokens, or of those of the "
        "newest step; `verifier` looks at the answer: an upper bound to compare with, labelled as an oracle",
    )
    temperature: float = Field(
        default=1.0,
        gt=0.0,
        le=5.0,
        description="softmax temperature; that of `evaluate`, so that one sample agrees with pass@1",
    )
    max_new_tokens: int = Field(
        default=MAX_NEW_TOKENS, ge=1, description="longest response in tokens, its end token included"
    )
    step_tokens: int = Field(
        default=8, ge=1, description="longest step in tokens; drawn anew at every step of a search"
    )
    separators: tuple[str, ...] = Field(
        default=(),
        description='tokens that end a step early, such as ";" or "\\n\\n"; none: every step has `step_tokens`',
    )
    max_steps: int | None = Field(
        default=None, ge=1, description="steps after which a search ends; null: those of the longest whole sample"
    )
    weight: Literal["logit", "raw"] = Field(
        default="logit", description="log-weight of a score r: ln(r / (1 - r)) or ln r"
    )
    aggregate: Literal["last", "min", "prod", "mean"] = Field(
        default="last", description="score of a whole sample from those of its steps, for best_of_n and weighted_vote"
    )
    width: int = Field(default=2, ge=1, description="copies of a kept beam (beam), beams of a subtree (dvts)")
    seed: int = Field(
        default=0, ge=0, description="seed of sampling, resampling and intervals; the same draws for every policy"
    )
    engine: str = Field(default="hf", pattern="^(hf|vllm)$", description="who samples: the built-in engine or vLLM")
    batch_size: int = Field(
        default=1024, ge=1, description="rollouts decoded at once; changes memory and speed, not results"
    )
    prompts_at_once: int = Field(
        default=64, ge=1, description="prompts searched side by side; changes memory and speed"
    )
    threads: int = Field(default=1, ge=1, description="CPU threads of the model; part of the key, as sums depend on it")
    interval: Literal["mid_p", "bootstrap_t", "bootstrap_problem", "t"] = Field(
        default="mid_p",
        description="mid-P for metrics in [0, 1] (bootstrap_t for others), studentised or percentile bootstrap, or t",
    )
    bootstrap_draws: int = Field(default=4000, ge=100, description="resamples of the prompts behind an interval (B)")
    flip_draws: int = Field(default=20_000, ge=1000, description="random sign flips of a paired test above 20 prompts")
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0, description="coverage asked of every interval")

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [name for name in methods if name not in METHODS]
        if wrong or len(set(methods)) < len(methods):
            raise ValueError(
                f"{', '.join(wrong) or 'a method twice'}: name each of {', '.join((*SAMPLED, *TREES, *FILTERS))} at most "
                f"once; a filter may look ahead, as in epf+{LOOK_AHEADS[0]}"
            )
        return methods

    @field_validator("budgets")
    @classmethod
    def _increasing(cls, budgets: tuple[int, ...]) -> tuple[int, ...]:
        if budgets[0] < 1 or list(budgets) != sorted(set(budgets)):
            raise ValueError(f"budgets = {list(budgets)}: give increasing whole numbers from 1 on, such as [4, 16, 64]")
        return budgets

    @model_validator(mode="after")
    def _divisible(self) -> SearchStageSettings:
        trees = [name for name in self.methods if name in TREES]
        wrong = [budget for budget in self.budgets if budget % self.width]
        if trees and wrong:
            raise ValueError(
                f"budgets {wrong} are no multiples of width = {self.width}, which {' and '.join(trees)} need; change "
                f"either, or leave them out of methods"
            )
        return self

    @property
    def every_method(self) -> tuple[str, ...]:
        """Those run, the references first, in one order whatever the order given."""
        return tuple(name for name in METHODS if name in REFERENCES or name in self.methods)

    def sizes(self, method: str) -> tuple[int, ...]:
        """Numbers of samples, beams or particles that a method is run with, increasing: the budgets and powers of two.

        Methods on whole samples share their draws, so that all powers cost nothing; others have those below the smallest
        budget, as a size may cost more tokens than as many whole samples.
        """
        most = self.budgets[-1] if method in SAMPLED else self.budgets[0]
        powers = [2**i for i in range(most.bit_length())]
        fit = self.width if method in TREES else 1
        return tuple(sorted(n for n in {*powers, *self.budgets} if n % fit == 0))
