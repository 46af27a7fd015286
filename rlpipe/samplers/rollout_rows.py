"""Rollouts as rows of rollouts/1: the columns that training and evaluation share."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rlpipe.types import Prompt, Rollout, Sampling, Verdict

ALWAYS = ("max_new_tokens", "temperature", "top_p", "top_k")


def sampling_json(sampling: Sampling) -> str:
    """How tokens were drawn; stop texts and a logit rule where there are any."""
    known = {name: getattr(sampling, name) for name in ALWAYS}
    if sampling.stop:
        known["stop"] = list(sampling.stop)
    if sampling.logit_rule is not None:
        known["logit_rule"] = {"name": sampling.logit_rule.name, **asdict(sampling.logit_rule)}  # type: ignore[call-overload]
    return json.dumps(known, sort_keys=True)


def prompt_columns(prompt: Prompt, sample: int) -> dict[str, Any]:
    return {
        "prompt_id": prompt.id,
        "data_source": prompt.source,
        "difficulty": prompt.difficulty,
        "sample_index": sample,
        "prompt": [dict(m) for m in prompt.messages],
    }


def rollout_columns(rollout: Rollout) -> dict[str, Any]:
    """The policy's tokens; where others wrote between them, the whole trajectory after the prompt as well."""
    mask = rollout.response_mask
    return {
        "response": rollout.text,
        "response_ids": rollout.tokens[mask].tolist(),
        "logprobs": rollout.logprob[mask].tolist(),
        "entropies": rollout.entropy[mask].tolist(),
        "finish_reason": rollout.finish,
        "n_prompt_tokens": int(mask.int().argmax()),
        "n_response_tokens": rollout.response_length,
        **_trajectory(rollout),
    }


def _trajectory(rollout: Rollout) -> dict[str, Any]:
    """Null where there is nothing to say: one stretch of one policy, from the prompt on."""
    first = int(rollout.response_mask.int().argmax())
    columns: dict[str, Any] = {
        "agent": None if rollout.agent == "policy" else rollout.agent,
        "stop": rollout.stop,
        "parent": rollout.parent,
        "branched_at": rollout.branched_at,
        "turns": list(rollout.turns) if len(rollout.turns) > 1 else None,
        "trajectory_ids": None,
        "trajectory_mask": None,
    }
    if not rollout.response_mask[first:].all():
        columns["trajectory_ids"] = rollout.tokens[first:].tolist()
        columns["trajectory_mask"] = rollout.response_mask[first:].tolist()
    return columns


def verdict_columns(verdict: Verdict) -> dict[str, Any]:
    return {
        "acc": verdict.correct,
        "extracted_answer": verdict.extracted,
        "canonical_answer": verdict.canonical,
        "canonical_solution": verdict.solution,
        "verifier": verdict.verifier,
        "verifier_version": verdict.version,
        "verifier_status": verdict.status,
    }
