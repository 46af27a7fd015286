"""The arithmetic of Llama, Qwen2 and Qwen3 that sampling and training share, on weights read from the model itself."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

LLAMA_LIKE = ("llama", "qwen2", "qwen3")
FUSED_ABOVE = 2**16  # query-key pairs per head from which scores are not worth their memory


def is_llama_like(model: nn.Module) -> bool:
    """Whether the functions here compute this model."""
    config: Any = model.config
    return getattr(config, "model_type", None) in LLAMA_LIKE and not getattr(config, "use_sliding_window", False)


def head_size(model: nn.Module) -> int:
    config: Any = model.config
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def rms_norm(x: Tensor, norm: Any) -> Tensor:
    """`x` over its root mean square, times the weight of the model's own module."""
    return F.rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)


def rotate(x: Float[Tensor, "... heads D"], cos: Float[Tensor, "... D"], sin: Float[Tensor, "... D"]) -> Tensor:
    """Rotary position embedding."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * cos[..., None, :] + turned * sin[..., None, :]


def query_and_key(attention: Any, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Rotated queries and keys `[..., heads, D]` of the hidden states `[..., H]`, normed where the model norms them."""
    found = []
    for name in ("q", "k"):
        heads = getattr(attention, f"{name}_proj")(x).unflatten(-1, (-1, attention.head_dim))
        if hasattr(attention, f"{name}_norm"):
            heads = rms_norm(heads, getattr(attention, f"{name}_norm"))
        found.append(rotate(heads, cos, sin))
    return found[0], found[1]


def attend(
    query: Float[Tensor, "B heads n D"],
    keys: Float[Tensor, "B kv D T"],
    values: Float[Tensor, "B kv T D"],
    mask: Float[Tensor, "B 1 n T"],
    scaling: float,
) -> Float[Tensor, "B n heads*D"]:
    """Attention of grouped query heads; `mask` is 0 where a query may look and very negative elsewhere.

    Short sequences take two small matrix products over all query heads of a key-value head, faster on a CPU than the
    fused kernel; long ones take the fused kernel, which keeps no scores.
    """
    rows, heads, n, size = query.shape
    kv, length = keys.shape[1], keys.shape[-1]
    group = heads // kv
    if n * length > FUSED_ABOVE:
        wide = [x.repeat_interleave(group, 1) for x in (keys.transpose(-1, -2), values)]
        mixed = F.scaled_dot_product_attention(query, wide[0], wide[1], attn_mask=mask, scale=scaling)
        return mixed.transpose(1, 2).flatten(2)
    scores = (query.reshape(rows, kv, group * n, size) @ keys).view(rows, kv, group, n, length)
    weights = (scores * scaling + mask[:, :, None]).softmax(-1)
    mixed = weights.view(rows, kv, group * n, length) @ values
    return mixed.view(rows, heads, n, size).transpose(1, 2).flatten(2)


def feed_forward(mlp: Any, x: Tensor) -> Tensor:
    return mlp.down_proj(mlp.act_fn(mlp.gate_proj(x)) * mlp.up_proj(x))


def closed(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where `allowed`, the most negative number elsewhere."""
    zeros = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return zeros.masked_fill(~allowed, torch.finfo(dtype).min)
