"""Made-up rollouts of schema rollouts/1, of problems with known difficulty."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl

from rlpipe import artifacts


def rollouts(
    run: str = "grpo/seed-0",
    problems: int = 12,
    samples: int = 16,
    gain: float = 0.0,
    seed: int = 0,
    answers: int = 6,
) -> pl.DataFrame:
    """`problems` prompts of two sources and two levels; `gain` is added to every success probability."""
    base = np.random.default_rng(5).beta(0.8, 1.5, problems)
    rng = np.random.default_rng([seed, *run.encode()])
    rows = []
    for p in range(problems):
        for j in range(samples):
            correct = bool(rng.random() < np.clip(base[p] + gain, 0, 1))
            silent = not correct and rng.random() < 0.1
            length = int(rng.integers(2, 12))
            answer = None if silent else f"right-{rng.integers(2)}" if correct else f"wrong-{rng.integers(answers)}"
            rows.append(
                {
                    "run_id": run,
                    "model_id": run,
                    "policy_step": 10,
                    "prompt_id": f"p{p:03d}",
                    "data_source": f"rlpipe/{'ab'[p % 2]}",
                    "difficulty": ("easy", "hard")[p // 2 % 2],
                    "sample_index": j,
                    "prompt": [{"role": "user", "content": f"problem {p}"}],
                    "response": "x",
                    "reward": float(correct),
                    "acc": correct,
                    "finish_reason": "length" if silent else "stop",
                    "n_prompt_tokens": 3,
                    "n_response_tokens": length,
                    "response_ids": list(range(length)),
                    "logprobs": (-rng.random(length)).tolist(),
                    "entropies": rng.random(length).tolist(),
                    "sampling_json": json.dumps({"temperature": 1.0}),
                    "seed": 0,
                    "canonical_answer": answer,
                    "extracted_answer": answer,
                    "verifier": "made-up",
                    "verifier_version": "1",
                    "verifier_status": "ok" if correct else "no_answer" if silent else "wrong",
                }
            )
    return pl.DataFrame(pl.from_arrow(artifacts.to_table(rows, artifacts.ROLLOUTS)))


def write(path: Path, frame: pl.DataFrame) -> Path:
    artifacts.write(path, artifacts.ROLLOUTS, frame)
    return path
