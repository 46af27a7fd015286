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
from torch.nn.utils.rnn import pad_sequence

from rlpipe import artifacts, models
from rlpipe.policy.forward import Policy
from rlpipe.policy.scoring import score_rows
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


def mean_logprob(policy: Policy, traces: Sequence[Trace]) -> Float[np.ndarray, "M"]:
    """Mean log-probability of a solution's tokens, teacher-forced, nats, for every trace.

    Raises: ValueError for a trace without a prompt or without a solution.
    """
    for i, (prefix, solution) in enumerate(traces):
        if not prefix or not solution:
            raise ValueError(f"trace {i}: {len(prefix)} prompt and {len(solution)} solution tokens; both need some")
    if not traces:
        return np.zeros(0)
    tokens = pad_sequence([torch.tensor([*prefix, *solution]) for prefix, solution in traces], batch_first=True)
    position = torch.arange(tokens.shape[1])
    first = torch.tensor([len(prefix) for prefix, _ in traces])[:, None]
    last = first + torch.tensor([len(solution) for _, solution in traces])[:, None]
    mask = ((position >= first) & (position < last)).to(policy.device)
    logprob = score_rows(policy, tokens.to(policy.device), mask).logprob
    means: Float[np.ndarray, "M"] = (logprob.sum(dim=1) / mask.sum(dim=1)).double().cpu().numpy()
    return means


def narrowing(base: Policy, trained: Policy, traces: Sequence[Trace], seed: int = 0) -> Paired:
    """Mean change of log-perplexity from `base` to `trained`, nats per token; above zero is narrowing."""
    before, after = (-mean_logprob(p, traces) for p in (base, trained))
    return paired(before, after, seed=seed)[0]
