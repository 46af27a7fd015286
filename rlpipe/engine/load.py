"""Engines by the name they have in params.yaml."""

from __future__ import annotations

from typing import Any

from rlpipe.engine.protocol import Engine


def load_engine(name: str, model: Any, tokenizer: Any, max_rows: int = 512) -> Engine:
    """The engine `hf` or `vllm` over a policy; `max_rows` is how many rollouts the built-in one decodes at once.

    Raises: RuntimeError if vLLM is asked for and not installed; ModelError for an architecture that trainer or sampler
    would not compute as the model does, which is tried here.
    """
    from rlpipe.policy.agreement import check_agreement
    from rlpipe.policy.forward import Policy

    engine = _engine(name, model, tokenizer, max_rows)
    check_agreement(Policy(model), engine)
    return engine


def _engine(name: str, model: Any, tokenizer: Any, max_rows: int) -> Engine:
    if name == "hf":
        from rlpipe.engine.hf import HFEngine

        return HFEngine(model, tokenizer, max_rows)
    from rlpipe.engine.vllm import VLLMEngine

    return VLLMEngine(model, tokenizer)
