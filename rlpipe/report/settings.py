"""What the `report` section of params.yaml may say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ReportSettings(BaseModel):
    """How the report is drawn. Intervals and tests are those of the `evaluate` section, as the evaluations were "
    "made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field("Reinforcement learning from verifiable rewards", min_length=1, description="title of the page")
    baseline: str = Field(
        "grpo", description="run that every other run is compared with; the first run if it is absent"
    )
    control: str | None = Field(
        None,
        description="run that a method has to beat to be worth its trouble, such as the baseline at a lower learning rate",
    )
    sample_rollouts: int = Field(
        320, ge=0, le=5000, description="rollouts shown in the browser of samples, over all policies"
    )
    rollouts_per_prompt: int = Field(4, ge=1, le=64, description="rollouts shown of one prompt under one policy")
    browser_steps: int = Field(3, ge=0, description="training steps shown in the browser per seed, evenly spaced")
    smooth_steps: int = Field(10, ge=1, description="steps averaged for one point of a curve and of the entropy law")
    seed: int = Field(0, ge=0, description="of the choice of sample rollouts")
