"""From tokens to the hidden states that response tokens are predicted from: our own way on a CPU, the library's elsewhere."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from rlpipe.policy.llama import attend, closed, feed_forward, is_llama_like, query_and_key, rms_norm


@runtime_checkable
class Trunk(Protocol):
    """Hidden states `[n, H]` that the response tokens of `[b, T]` are predicted from, row by row."""

    def __call__(self, tokens: Tensor, response_mask: Tensor) -> Tensor: ...


def trunk_of(model: nn.Module) -> Trunk:
    """The fastest trunk for the model where it is now.

    Our own reads the weights directly, so it is left to the library where kernels or sharding hang on the library's
    modules: on accelerators and in models that are not plain Llama, Qwen2 or Qwen3.
    """
    on_cpu = next(model.parameters()).device.type == "cpu"
    return SharedPromptTrunk(model) if is_llama_like(model) and on_cpu else LibraryTrunk(model)


class LibraryTrunk:
    """Any causal LM through the library's forward pass, prompts repeated in every row."""

    def __init__(self, model: Any):
        self.trunk: Any = model.base_model

    def __call__(self, tokens: Int[Tensor, "b T"], response_mask: Bool[Tensor, "b T"]) -> Float[Tensor, "n H"]:
        hidden = self.trunk(input_ids=tokens, use_cache=False).last_hidden_state
        return hidden[:, :-1][response_mask[:, 1:]]


class SharedPromptTrunk:
    """Llama, Qwen2 and Qwen3 with each distinct prompt run once for all of its rollouts.

    Prompts are padded on the left and responses on the right; a response looks at its prompt's keys and at its own. With
    16 rollouts of 28 tokens to a prompt of 12 this leaves out a quarter of the tokens.
    """

    def __init__(self, model: Any):
        self.trunk: Any = model.base_model

    def __call__(self, tokens: Int[Tensor, "b T"], response_mask: Bool[Tensor, "b T"]) -> Float[Tensor, "n H"]:
        layout = _Layout(tokens, response_mask)
        hidden = self.trunk.embed_tokens(layout.tokens)
        cos, sin = (x[0] for x in self.trunk.rotary_emb(hidden[None], layout.position[None]))
        masks = [closed(allowed, hidden.dtype) for allowed in (layout.prompt_allowed, layout.response_allowed)]
        for layer in self.trunk.layers:
            normed = rms_norm(hidden, layer.input_layernorm)
            hidden = hidden + layer.self_attn.o_proj(_attention(layer.self_attn, normed, cos, sin, layout, masks))
            hidden = hidden + feed_forward(layer.mlp, rms_norm(hidden, layer.post_attention_layernorm))
        return rms_norm(layout.predictors(hidden), self.trunk.norm)


class _Layout:
    """The tokens of distinct prompts `[P, p]` and of what follows them `[b, r]`, one behind the other in one flat row.

    The last token of a row predicts nothing and is left out.
    """

    def __init__(self, tokens: Tensor, response_mask: Tensor):
        column = torch.arange(tokens.shape[1], device=tokens.device)
        last = (response_mask * column).amax(-1).clamp(min=1)
        start = torch.minimum(response_mask.int().argmax(-1).clamp(min=1), last)
        prompts, real, self.owner = _distinct(tokens, start)
        self.at = start[:, None] + column[: int((last - start).max())]
        self.within = self.at.clamp(max=tokens.shape[1] - 1)
        self.prompt_shape, self.response_shape = prompts.shape, self.at.shape
        self.tokens = torch.cat([prompts.flatten(), tokens.gather(1, self.within).flatten()])
        self.position = torch.cat([(real.cumsum(-1) - 1).clamp(min=0).flatten(), self.within.flatten()])
        p, (b, r) = prompts.shape[1], self.at.shape
        square = torch.ones(max(p, r), max(p, r), dtype=torch.bool, device=tokens.device).tril()
        # A padded query may look at itself, or its softmax would be over nothing.
        own = torch.eye(p, dtype=torch.bool, device=tokens.device)
        self.prompt_allowed = ((square[:p, :p] & real[:, None]) | own)[:, None]
        behind = [real[self.owner][:, None].expand(b, r, p), square[:r, :r].expand(b, r, r)]
        self.response_allowed = torch.cat(behind, -1)[:, None]
        predicts = torch.cat([start[:, None], self.at + 1], 1)
        inside = predicts < tokens.shape[1]
        self.wanted = inside & response_mask.gather(1, predicts.clamp(max=tokens.shape[1] - 1))

    def split(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """`[tokens, ...]` to that of the prompts `[P, p, ...]` and of the responses `[b, r, ...]`."""
        count = self.prompt_shape[0] * self.prompt_shape[1]
        return flat[:count].unflatten(0, self.prompt_shape), flat[count:].unflatten(0, self.response_shape)

    def predictors(self, hidden: Tensor) -> Tensor:
        """Hidden states from which the wanted tokens are predicted `[n, H]`, row by row."""
        prompts, responses = self.split(hidden)
        return torch.cat([prompts[:, -1:].index_select(0, self.owner), responses], 1)[self.wanted]


def _distinct(tokens: Tensor, start: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Distinct prompts padded on the left `[P, p]`, which of their tokens are real, and each row's prompt `[b]`."""
    index: dict[tuple[int, ...], int] = {}
    rows = zip(tokens.tolist(), start.tolist(), strict=True)
    owner = [index.setdefault(tuple(row[:n]), len(index)) for row, n in rows]
    longest = max(map(len, index))
    padded = torch.tensor([[0] * (longest - len(p)) + list(p) for p in index], device=tokens.device)
    real = torch.tensor([[False] * (longest - len(p)) + [True] * len(p) for p in index], device=tokens.device)
    return padded, real, torch.tensor(owner, device=tokens.device)


def _attention(
    attention: Any, normed: Tensor, cos: Tensor, sin: Tensor, layout: _Layout, masks: list[Tensor]
) -> Float[Tensor, "tokens H"]:
    """What the heads of one layer gather for every token of the flat row."""
    query, key = query_and_key(attention, normed, cos, sin)
    value = attention.v_proj(normed).unflatten(-1, key.shape[1:])
    heads = [[x.transpose(1, 2) for x in layout.split(y)] for y in (query, key, value)]
    (prompt_query, response_query), (prompt_key, response_key), (prompt_value, response_value) = heads
    keys = torch.cat([prompt_key.index_select(0, layout.owner), response_key], 2).transpose(-1, -2)
    values = torch.cat([prompt_value.index_select(0, layout.owner), response_value], 2)
    prompts = attend(prompt_query, prompt_key.transpose(-1, -2), prompt_value, masks[0], attention.scaling)
    responses = attend(response_query, keys, values, masks[1], attention.scaling)
    return torch.cat([prompts.flatten(0, 1), responses.flatten(0, 1)])
