"""Texts as vectors: the mean of the last hidden states of any Hugging Face model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

Embed = Callable[[Sequence[str]], Float[np.ndarray, "n d"]]
NO_LIMIT = 10**9  # tokenizers that know no longest text say more than this


def embedder(path: str | Path, batch_size: int = 64) -> tuple[Embed, int]:
    """Texts to the mean of a model's last hidden states `[n, d]`, and the size of its tokenizer's vocabulary.

    Any Hugging Face model with hidden states: a sentence encoder, or a policy. Hidden states of a causal LM share one
    large direction, so their cosines are high and their Vendi scores low; compare within one embedding model only.
    Texts longer than the model takes are cut at its end.

    Raises: ModelError for a path that cannot be loaded.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    from rlpipe.models import ModelError, device, first_line, longest

    try:
        model: Any = AutoModel.from_pretrained(str(path)).to(device()).eval()
        tokenizer: Any = AutoTokenizer.from_pretrained(str(path))
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        reason = first_line(error)
        raise ModelError(f"embedding model {path}: cannot be loaded as model and tokenizer: {reason}") from error
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.padding_side = "right"
    limit = longest(model.config)
    if tokenizer.model_max_length > NO_LIMIT and limit:
        tokenizer.model_max_length = limit

    @torch.no_grad()
    def embed(texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        found = []
        for start in range(0, len(texts), batch_size):
            part = [t or tokenizer.pad_token for t in texts[start : start + batch_size]]
            ids = tokenizer(part, return_tensors="pt", padding=True, truncation=True).to(model.device)
            ids.pop("token_type_ids", None)
            hidden = model(**ids).last_hidden_state.float()
            real = ids["attention_mask"][..., None]
            found.append(((hidden * real).sum(1) / real.sum(1)).cpu().double().numpy())
        return np.concatenate(found)

    return embed, len(tokenizer)
