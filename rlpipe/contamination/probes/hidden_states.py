"""Hidden states of a prompt's last token in every layer, for the prompt and for its perturbed variants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch.nn.utils.rnn import pad_sequence

from rlpipe.contamination.probes.perturbed_prompts import deletions, rewordings
from rlpipe.contamination.probes.probe_prompts import asked_with
from rlpipe.contamination.probes.representation import measure
from rlpipe.ops.lengths import parts_of_similar_length
from rlpipe.policy.forward import Policy
from rlpipe.policy.precision import computing
from rlpipe.types import Message, Prompt

MOST_TOKENS = 4096  # in one forward pass: the states of all layers are kept
Encode = Callable[[Sequence[Message]], list[int]]


@torch.no_grad()
def last_states(policy: Policy, prompts: Sequence[Sequence[int]]) -> Float[np.ndarray, "N L H"]:
    """States `[N, L, H]` at the last token of every prompt after each of the L layers, in float32.

    The last is the one the library gives, after the final norm.
    """
    model: Any = policy.model
    found: list[Any] = [None] * len(prompts)
    for part in parts_of_similar_length([len(p) for p in prompts], MOST_TOKENS):
        rows = [torch.tensor(prompts[i]) for i in part]
        tokens = pad_sequence(rows, batch_first=True).to(policy.device)
        with computing(model):
            states = model.base_model(input_ids=tokens, use_cache=False, output_hidden_states=True).hidden_states[1:]
        last = torch.tensor([len(r) - 1 for r in rows], device=policy.device)
        at = torch.stack([s[torch.arange(len(rows)), last].float() for s in states], 1).cpu().numpy()
        for i, state in zip(part, at, strict=True):
            found[i] = state
    return np.stack(found)


def variants(
    prompt: Prompt, encode: Encode, unknown: int | None, longest: int | None
) -> tuple[list[int], list[list[int]], list[list[int]]]:
    """Token ids of the prompt, of it with something left out, and of it in other words.

    A variant that reads the same, is too long, or has words that the policy does not know, is none.
    """

    def encoded(texts: Sequence[str]) -> list[list[int]]:
        made = [encode(asked_with(prompt, lambda _, text=text: text)) for text in texts]  # type: ignore[misc]
        known = [ids for ids in made if unknown is None or ids.count(unknown) <= own.count(unknown)]
        kept = [ids for ids in known if ids != own and (longest is None or len(ids) <= longest)]
        return [list(ids) for ids in dict.fromkeys(map(tuple, kept))]

    own = encode(prompt.messages)
    question = next(m["content"] for m in reversed(prompt.messages) if m["role"] == "user")
    return own, encoded(deletions(question)), encoded(rewordings(question))


def reactions(
    policy: Policy, prompts: Sequence[Prompt], encode: Encode, unknown: int | None, longest: int | None
) -> list[dict[str, Any]]:
    """Measures of every prompt by layer (`representation.measure`), and how many variants it had."""
    asked = [variants(p, encode, unknown, longest) for p in prompts]
    states = last_states(policy, [ids for own, left, said in asked for ids in (own, *left, *said)]) if asked else None
    found, at = [], 0
    for _, left, said in asked:
        assert states is not None
        own, middle, end = states[at], at + 1 + len(left), at + 1 + len(left) + len(said)
        counts = {"deletions": len(left), "rewordings": len(said)}
        found.append({**measure(own, states[at + 1 : middle], states[middle:end]), **counts})
        at = end
    return found
