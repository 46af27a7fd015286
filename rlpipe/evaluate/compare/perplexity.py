"""How likely a policy finds correct solutions that it did not write: rising perplexity after training is narrowing.

Source: The Invisible Leash, arXiv:2507.14843. Differs: the change is tested per trace, with an interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from jaxtyping import Float

from rlpipe import artifacts, models
from rlpipe.policy.forward import Policy
from rlpipe.statistics.paired import Paired, paired
from rlpipe.types import Message

Trace = tuple[Sequence[int], Sequence[int]]  # token ids of the prompt, and of the solution with its end token


def read_traces(path: Path | str) -> list[tuple[Sequence[Message], str]]:
    """Prompts and solutions of a file: demonstrations/1, or the correct ones of rollouts/1; the first of every prompt.

    One each, so that the interval of a mean may take them for independent.

    Raises: ArtifactError for a file of neither schema; ValueError if it holds no solution.
    """
    if pq.read_schema(path).metadata.get(b"rlpipe.schema", b"").startswith(b"rollouts"):
        frame = artifacts.read(path, artifacts.ROLLOUTS, ("prompt_id", "prompt", "response", "acc")).filter("acc")
    else:
        frame = artifacts.read(path, artifacts.DEMONSTRATIONS, ("prompt_id", "prompt", "response"))
    if frame.is_empty():
        raise ValueError(f"{path}: holds no correct solution, so there is no trace to read")
    return [
        (row["prompt"], row["response"])
        for row in frame.unique("prompt_id", keep="first", maintain_order=True).iter_rows(named=True)
    ]


def encode_traces(tokenizer: Any, traces: Iterable[tuple[Sequence[Message], str]]) -> list[Trace]:
    """Conversations and solutions as token ids, with the prompt format of sampling and an end token."""
    return [
        (
            models.encode(tokenizer, messages),
            [*tokenizer(solution, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id],
        )
        for messages, solution in traces
    ]


@torch.no_grad()
def mean_logprob(policy: Policy, traces: Sequence[Trace], batch_size: int = 32) -> Float[np.ndarray, "M"]:
    """Mean log-probability of a solution's tokens, teacher-forced, nats, for every trace.

    Raises: ValueError for a trace without a prompt or without a solution.
    """
    for i, (prefix, solution) in enumerate(traces):
        if not prefix or not solution:
            raise ValueError(f"trace {i}: {len(prefix)} prompt and {len(solution)} solution tokens; both need some")
    was_training = policy.model.training
    policy.model.eval()
    out = np.zeros(len(traces))
    # Similar lengths together: less padding.
    order = sorted(range(len(traces)), key=lambda i: len(traces[i][0]) + len(traces[i][1]))
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        longest = max(len(traces[i][0]) + len(traces[i][1]) for i in chosen)
        tokens = torch.zeros(len(chosen), longest, dtype=torch.long)
        mask = torch.zeros(len(chosen), longest, dtype=torch.bool)
        for row, i in enumerate(chosen):
            prefix, solution = traces[i]
            tokens[row, : len(prefix) + len(solution)] = torch.tensor([*prefix, *solution])
            mask[row, len(prefix) : len(prefix) + len(solution)] = True
        mask = mask.to(policy.device)
        logprob = policy(tokens.to(policy.device), mask).logprob
        out[chosen] = (logprob.sum(dim=1) / mask.sum(dim=1)).double().cpu().numpy()
    policy.model.train(was_training)
    return out


def narrowing(base: Policy, trained: Policy, traces: Sequence[Trace], batch_size: int = 32, seed: int = 0) -> Paired:
    """Mean change of log-perplexity from `base` to `trained`, nats per token; above zero is narrowing."""
    before, after = (-mean_logprob(p, traces, batch_size) for p in (base, trained))
    return paired(before, after, seed=seed)[0]
