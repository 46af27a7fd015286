"""From hidden states to logits, as the model itself does it: with its scales and caps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from rlpipe.policy.llama import is_llama_like

Head = Callable[[Float[Tensor, "n H"]], Float[Tensor, "n V"]]


def head_of(model: nn.Module) -> Head:
    """The output layer where that is all there is to it; else the model's own forward pass behind its trunk."""
    return partial(_output_layer, model) if is_llama_like(model) else BehindTrunk(model)


def _output_layer(model: Any, hidden: Tensor) -> Tensor:
    logits: Tensor = model.get_output_embeddings()(hidden)
    return logits


class BehindTrunk:
    """What a causal LM does after its trunk: its own forward pass, whose trunk answers with the given hidden states.

    Output layers are alike, what follows them is not: Cohere and Granite scale logits, Gemma 2 caps them.
    """

    def __init__(self, model: Any):
        self.model = model
        trunk = model.base_model
        # OPT asks the decoder inside of its trunk.
        self.trunks = [part for part in (trunk, getattr(trunk, "decoder", None)) if part is not None]

    def __call__(self, hidden: Float[Tensor, "n H"]) -> Float[Tensor, "n V"]:
        answer = _Answer(hidden[None])
        # Other libraries may have put a forward pass of their own on the module: it is put back.
        before = [trunk.__dict__.get("forward") for trunk in self.trunks]
        for trunk in self.trunks:
            trunk.forward = answer
        try:
            placeholder = torch.zeros(1, len(hidden), dtype=torch.long, device=hidden.device)
            logits: Tensor = self.model(input_ids=placeholder, use_cache=False).logits[0]
            return logits
        finally:
            for trunk, own in zip(self.trunks, before, strict=True):
                if own is None:
                    del trunk.forward
                else:
                    trunk.forward = own


class _Answer:
    """A forward pass that has been computed, and its output, of which only the last hidden states are known."""

    def __init__(self, hidden: Tensor):
        self.last_hidden_state = hidden

    def __call__(self, *_: Any, **__: Any) -> _Answer:
        return self

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)

    def __getitem__(self, index: int | slice) -> Any:
        return (self.last_hidden_state,)[index]
