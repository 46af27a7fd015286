"""The `sft` section of params.yaml: the warm-up on demonstrations."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class SftSettings(BaseModel):
    """Supervised warm-up. `steps: 0` saves the model as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(1200, ge=0, description="optimizer updates")
    batch: int = Field(48, ge=1, description="demonstrations per update")
    optimizer: Literal["muon", "adamw"] = Field("muon", description="muon: Muon on matrices, AdamW on the rest")
    learning_rate: float = Field(5.0e-3, gt=0, description="AdamW's peak learning rate")
    muon_learning_rate: float = Field(0.01, gt=0, description="Muon's peak learning rate")
    warmup: float = Field(0.03, ge=0, lt=1, description="share of the steps with rising learning rate")
    decay: float = Field(0.4, ge=0, le=1, description="share of the steps, at the end, with learning rate falling to 0")
    weight_decay: float = Field(0.0, ge=0, description="decoupled weight decay")
    clip_grad_norm: float = Field(1.0, gt=0, description="gradient norm above which it is scaled down")
    second_share: float = Field(
        0.0, ge=0, lt=1, description="share of the demonstrations turned into `problem, first response, marker`"
    )
    second_marker: str = Field(
        "otherwise", pattern=r"^\S+$", description="the word that asks for another solution; contamination asks with it"
    )
    seed: int = Field(0, ge=0, description="of initial weights and order of demonstrations")
    threads: int = Field(2, ge=1, description="CPU threads; part of the result, as sums are ordered by it")
    checkpoint_every: int = Field(200, ge=1, description="steps between checkpoints a killed run resumes from")
