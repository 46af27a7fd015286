"""The `environment` section of params.yaml: what answers back between the policy's turns, wherever it is sampled."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EnvironmentSettings(BaseModel):
    """An environment by its file in `rlpipe/environments`; training, evaluation and whole-sample searches use it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="file in rlpipe/environments: calculator, guessing")
    max_turns: int = Field(4, ge=1, description="turns of the policy after which a conversation ends")
