"""The `model` section of params.yaml: a small model from scratch, or a pretrained path; one code path for both."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_LENGTH = 256  # tokens of a model from scratch, unless said otherwise
MAX_NEW_TOKENS = 32  # of a response, in every stage that does not say otherwise


class ModelSettings(BaseModel):
    """Either `path` (a Hugging Face directory with weights and tokenizer) or the shape of a model to build."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | None = Field(None, description="Hugging Face directory or name; then the shape below is not used")
    architecture: Literal["llama", "qwen3"] = Field("llama", description="transformers class of a model from scratch")
    hidden_size: int = Field(96, ge=8, description="width of the residual stream")
    num_layers: int = Field(3, ge=1, description="number of transformer blocks")
    num_heads: int = Field(4, ge=1, description="query heads")
    num_kv_heads: int = Field(2, ge=1, description="key-value heads")
    intermediate_size: int = Field(288, ge=8, description="width of the MLP")
    max_length: int | None = Field(
        None, ge=8, description="longest sequence, tokens; none: the checkpoint's own, or 256 from scratch"
    )
    init_std: float = Field(0.06, gt=0, description="standard deviation of initial weights")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="arithmetic; weights are float32 while trained"
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> ModelSettings:
        if self.hidden_size % self.num_heads or self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"hidden_size ({self.hidden_size}) must be a multiple of num_heads ({self.num_heads}), and that of "
                f"num_kv_heads ({self.num_kv_heads})"
            )
        return self
