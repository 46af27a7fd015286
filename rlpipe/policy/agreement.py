"""Whether trainer and sampler are the model: measured on real sequences, before anything is trained or evaluated.

Sources of difference are architectures we compute ourselves or cut in two, and caches that forget; each would make
ratios of policies that nobody has.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rlpipe.engine.batched import complete_all
from rlpipe.engine.hf import HFEngine
from rlpipe.engine.protocol import Engine
from rlpipe.models import ModelError
from rlpipe.policy.forward import Policy
from rlpipe.policy.precision import arithmetic, computing
from rlpipe.types import Sampling

TEXT = "Find the sum of 12 and 30, then halve it. Show your work and give the answer in the end. "
LONG = 256  # tokens of the longer of the two prefixes, if the model takes as many
LENGTH = 8  # tokens written for the comparison
ROUNDING = {torch.float32: 1e-3, torch.bfloat16: 0.25, torch.float16: 0.05}  # nats, largest of all tokens


@torch.no_grad()
def check_agreement(policy: Policy, engine: Engine) -> None:
    """Let the engine continue a short and a long prefix, in one batch, and ask trainer, model and sampler for the
    log-probabilities of what it wrote.

    Only the built-in engine is held to rounding; others log their mismatch.

    Raises: ModelError naming the architecture, the difference in nats and which of the three stands apart.
    """
    prefixes = two_prefixes(engine)
    if not all(prefixes):
        return
    sampling = Sampling(LENGTH, policy.temperature)
    rollouts = complete_all(engine, [*prefixes, prefixes[0]], sampling, list(range(3)))
    tokens = pad_sequence([r.tokens for r in rollouts], batch_first=True).to(policy.device)
    mask = pad_sequence([r.response_mask for r in rollouts], batch_first=True).to(policy.device)
    model = model_logprobs(policy, tokens, mask)
    _compare(policy, "the trainer's", policy(tokens, mask).logprob, model, mask)
    if isinstance(engine, HFEngine):
        sampled = pad_sequence([r.logprob for r in rollouts], batch_first=True).to(policy.device)
        _compare(policy, "the sampler's", sampled, model, mask)


def two_prefixes(engine: Engine) -> list[list[int]]:
    """Token ids of a short and of a long prompt, within what the model takes."""
    room = min(LONG, (engine.longest or 2**31) - LENGTH)
    short, long = (engine.encode([{"role": "user", "content": TEXT * times}]) for times in (1, 20))
    return [short[: room // 2], long[:room]]


def model_logprobs(policy: Policy, tokens: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Log-probabilities of the response tokens by `model(...).logits`, a row at a time and without padding; 0 elsewhere."""
    found = torch.zeros(tokens.shape, device=tokens.device)
    for i, row in enumerate(mask):
        length = int(row.nonzero().amax()) + 1
        ids = tokens[i : i + 1, :length]
        with computing(policy.model):
            logits: Any = policy.model(input_ids=ids, use_cache=False).logits[0, :-1].float() / policy.temperature
        logprob = logits.log_softmax(-1).gather(-1, ids[0, 1:, None]).squeeze(-1)
        found[i, 1:length] = torch.where(row[1:length], logprob, 0.0)
    return found


def _compare(policy: Policy, whose: str, found: Tensor, expected: Tensor, mask: Tensor) -> None:
    dtype = arithmetic(policy.model)
    apart = float((found - expected)[mask].abs().max())
    if not apart <= ROUNDING.get(dtype, 1e-3):  # NaN too
        raise ModelError(
            f"{type(policy.model).__name__}: {whose} log-probabilities are up to {apart:.2g} nats from those of the model "
            f"itself ({str(dtype).removeprefix('torch.')}), so it would not be this model that is trained. This "
            f"architecture is not supported; give another model, or report it with its config.json"
        )
