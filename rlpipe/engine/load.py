"""Engines by the name they have in params.yaml."""

from __future__ import annotations

from typing import Any

from rlpipe.types import Engine


def load_engine(name: str, model: Any, tokenizer: Any) -> Engine:
    """The engine `hf` or `vllm` over a policy.

    Raises: RuntimeError if vLLM is asked for and not installed.
    """
    if name == "hf":
        from rlpipe.engine.hf import HFEngine

        return HFEngine(model, tokenizer)
    from rlpipe.engine.vllm import VLLMEngine

    return VLLMEngine(model, tokenizer)
