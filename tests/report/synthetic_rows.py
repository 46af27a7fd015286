"""Rows of the synthetic pipeline: problems, rollouts, steps, probes, overlaps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

WORDS = ["<pad>", "<bos>", "<eos>", "<unk>", "<respond>", *map(str, range(10)), "+", "-", "*", "=", ";", "(", ")"]
WORDS += ["make", "from", "value", "of", "mod5", "and", "so"]
ID = {word: i for i, word in enumerate(WORDS)}
LEVELS = {"rlpipe/countdown": {"c2": 0.2, "c3": -0.6}, "rlpipe/expression": {"e2": 0.5, "e3": -0.2}}
RUNS = {"grpo": (2.0, 1.6), "grpo_low_lr": (1.55, 1.25), "clip_cov": (1.25, 1.0)}


@dataclass(frozen=True)
class Size:
    """How much to make; the default is small enough for a test."""

    problems: int = 5  # per level
    samples: int = 16
    steps: int = 30
    runs: tuple[str, ...] = ("grpo", "grpo_low_lr", "clip_cov")
    seeds: tuple[int, ...] = (0, 1)
    probes: int = 12  # members, and as many non-members
    contamination: bool = True
    seed: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=lambda: {"bootstrap_draws": 300, "flip_draws": 1000})


@dataclass(frozen=True)
class Problem:
    source: str
    level: str
    prompt_id: str
    text: str
    answer: str
    responses: tuple[tuple[str, ...], ...]
    correct: np.ndarray
    logits: np.ndarray

    def probabilities(self, collapse: float, gain: float) -> np.ndarray:
        logits = self.logits * collapse + gain * self.correct
        p = np.exp(logits - logits.max())
        return p / p.sum()


def problem(rng: np.random.Generator, source: str, level: str) -> Problem:
    numbers = [str(n) for n in rng.integers(0, 5, 4)]
    target = str(rng.integers(0, 5))
    if source.endswith("countdown"):
        text = f"make mod5 {target} from {' '.join(numbers[: 2 + (level == 'c3')])}"
    else:
        text = f"value of mod5 ( {numbers[0]} + {numbers[1]} ) * {numbers[2]} - {numbers[3]}"
    text += f" and {rng.integers(0, 10**6)}"
    length = 5 if level in ("c2", "e2") else 11
    responses = tuple(
        tuple(
            str(w) for w in rng.choice(["1", "2", "3", "4", "+", "-", "*", "=", ";"], length + int(rng.integers(0, 4)))
        )
        for _ in range(12)
    )
    correct = np.arange(12) < rng.integers(1, 5)
    logits = rng.normal(0, 1.3, 12) + correct * (LEVELS[source][level] + rng.normal(0, 0.9))
    digest = blake2b(f"{source}{level}{text}".encode(), digest_size=16).hexdigest()
    return Problem(source, level, digest, text, target, responses, correct, logits)


def problems(size: Size, seed: int) -> list[Problem]:
    rng = np.random.default_rng([size.seed, seed])
    return [
        problem(rng, source, level)
        for source, levels in LEVELS.items()
        for level in levels
        for _ in range(size.problems)
    ]


def rollout_rows(
    rng: np.random.Generator,
    items: Iterable[Problem],
    n: int,
    run: str,
    step: int,
    collapse: float,
    gain: float,
    heat: float,
) -> list[dict[str, Any]]:
    """`n` rollouts of every problem; `heat` is the mean token entropy, nats."""
    rows = []
    for item in items:
        drawn = rng.choice(12, n, p=item.probabilities(collapse, gain))
        for i, j in enumerate(drawn):
            words = [*item.responses[j], "<eos>"]
            entropy = np.clip(rng.gamma(0.35, heat / 0.35, len(words)), 0, 3).astype(np.float32)
            right = bool(item.correct[j])
            rows.append(
                {
                    "run_id": run, "model_id": run, "policy_step": step, "prompt_id": item.prompt_id,
                    "data_source": item.source, "difficulty": item.level, "sample_index": i, "group_id": item.prompt_id,
                    "prompt": [{"role": "user", "content": item.text}], "response": " ".join(words[:-1]),
                    "response_ids": [ID[w] for w in words], "entropies": entropy.tolist(),
                    "logprobs": (-entropy * rng.uniform(0.2, 1.6, len(words))).astype(np.float32).tolist(),
                    "finish_reason": "stop" if rng.random() > 0.01 else "length", "n_prompt_tokens": len(item.text.split()),
                    "n_response_tokens": len(words), "reward": float(right), "acc": right,
                    "extracted_answer": item.answer if right else "1", "seed": 0,
                    "canonical_answer": f"solution {j}" if right or j % 3 else None,
                    "verifier": item.source, "verifier_version": "1",
                    "verifier_status": "ok" if right else ("wrong" if j % 3 else "no_answer"),
                    "sampling_json": json.dumps({"temperature": 1.0, "max_tokens": 28}), "advantage": 0.0,
                }
            )  # fmt: skip
    return rows


def progress(run: str, seed: int, share: float) -> tuple[float, float, float]:
    """(collapse, gain, mean token entropy) of a run after this share of its steps."""
    collapse, gain = RUNS[run]
    way = 1 - np.exp(-3 * share)
    wobble = 1 + 0.04 * (-1) ** seed
    return 1 + (collapse - 1) * way * wobble, gain * way, 0.34 / (1 + (collapse - 1) * 1.7 * way * wobble)


def step_rows(
    rng: np.random.Generator, size: Size, run: str, seed: int, items: Sequence[Problem]
) -> list[dict[str, Any]]:
    rows = []
    for step in range(size.steps):
        collapse, gain, heat = progress(run, seed, step / size.steps)
        p = np.array([(item.probabilities(collapse, gain) * item.correct).sum() for item in items])
        drawn = rng.binomial(16, rng.choice(p, 32)) / 16
        entropy = heat + rng.normal(0, 0.006)
        rows.append(
            {
                "step": step, "reward": drawn.mean(), "pass@1": drawn.mean(),
                "zero_variance_share": np.mean((drawn == 0) | (drawn == 1)), "token_entropy": entropy,
                "answer_entropy": entropy * 4, "response_length": 11 + 6 * step / size.steps + rng.normal(0, 0.4),
                "truncation_rate": max(0.0, rng.normal(0.006, 0.004)), "clip_fraction": max(0.0, rng.normal(0.003, 0.001)),
                "grad_norm": 0.4 + rng.gamma(2, 0.06), "logprob_gap_mean": 1e-6 * rng.gamma(2),
                "logprob_gap_p999": 1e-5 * rng.gamma(2), "kl_reference": 0.2 * step / size.steps,
            }
        )  # fmt: skip
    return rows


def probe_rows(rng: np.random.Generator, size: Size, model: str, shift: float) -> list[dict[str, Any]]:
    """Greedy, second, noise and two sampled responses to members and non-members; members are `shift` surer."""
    rows = []
    for i in range(2 * size.probes):
        member = i % 2 == 0
        heat = 0.25 * np.exp(rng.normal(0, 0.6) - shift * member)
        for name, number in (("greedy", 0), ("critique", 0), ("noise", 0), ("sample", 0), ("sample", 1)):
            entropy = np.clip(rng.gamma(0.6, heat / 0.6, 8), 0, 3)
            rows.append(
                {
                    "model_id": model, "prompt_id": f"probe-{i:03d}", "label": member, "pass": name, "response": "1 + 2 = 3",
                    "data_source": "rlpipe/countdown", "difficulty": "c3", "policy_step": size.steps, "sample_index": number,
                    "response_ids": [5, 11, 6, 12, 7, 13, 8, 2], "logprobs": (-entropy * 0.7).tolist(),
                    "entropies": entropy.tolist(), "means": (-entropy).tolist(), "variances": (entropy + 0.1).tolist(),
                    "topk": len(WORDS), "truncated": False, "acc": bool(rng.random() < 0.3 + 0.2 * shift * member),
                    "info_json": json.dumps({"role": "member" if member else "nonmember"}),
                }
            )  # fmt: skip
    return rows


def overlap_rows(run: str) -> list[dict[str, Any]]:
    """Pairs found between training and evaluation prompts, a summary per benchmark and method, and verdicts."""
    common = {"train_set": "train", "method_version": "1"}
    pair = {"record_type": "pair", "method": "ngram", "decision": "template", "eval_set": "rlpipe/expression"}
    rows: list[dict[str, Any]] = [common | pair | {"train_id": "a" * 32, "eval_id": "b" * 32, "score": 0.62}]
    for source in LEVELS:
        summary = {"record_type": "summary", "decision": "clean", "eval_set": source, "n": 12, "train_count": 400}
        rows += [
            common | summary | {"method": m, "reason": "no pair above the threshold"} for m in ("exact", "minhash")
        ]
        reason = f"none of 12 prompts is among the training prompts\nself_critique: AUC 0.51 [0.40, 0.62] under {run}"
        verdict = {"record_type": "verdict", "method": "verdict", "decision": "clean", "eval_set": source}
        rows.append(common | verdict | {"reason": reason})
    return rows
