"""Prompts of a toy task, their rows, and a judge."""

from __future__ import annotations

import json
import random

from rlpipe.params.model_settings import ModelSettings
from rlpipe.types import Prompt, Verdict

WORDS = [*(str(i) for i in range(20)), "+", "-", "=", "make", "from", "otherwise"]
SHAPE = ModelSettings(hidden_size=16, num_layers=1, num_heads=2, num_kv_heads=1, intermediate_size=32, max_length=64)


def prompt(i: int, source: str = "toy", level: str | None = "easy") -> Prompt:
    rng = random.Random(i)
    text = " ".join(["make", str(i % 20), "from", *(str(rng.randrange(20)) for _ in range(3))])
    return Prompt(f"{source}-{i:04d}", ({"role": "user", "content": text},), str(i), source, level)


def prompt_row(p: Prompt, split: str = "train") -> dict[str, object]:
    """The prompt as a row of schema prompts/1."""
    return {
        "prompt_id": p.id,
        "norm_hash": p.id,
        "data_source": p.source,
        "prompt": [dict(m) for m in p.messages],
        "reward_model": {"style": "rule", "ground_truth": p.answer},
        "extra_info": {"split": split, "index": "0"},
        "metadata_json": json.dumps({}),
        "split": split,
        "difficulty": p.difficulty,
    }


def judge(pairs: list[tuple[Prompt, str]]) -> list[Verdict]:
    """Right where the response has an even number of words; no answer where it is empty."""
    return [Verdict(float(len(t.split()) % 2 == 0), "ok" if t.split() else "no_answer") for _, t in pairs]
