"""A policy small enough for tests, prompts it can be asked, and an artifact of prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlpipe import artifacts, models
from rlpipe.overlap import normalize
from tests.toy import tiny_policy

WORDS = [*map(str, range(6)), "Answer:", "what", "is"]


def prompt_rows(count: int, split: str = "test") -> list[dict[str, Any]]:
    """Prompts of the short-answer verifier, two levels."""
    rows = []
    for i in range(count):
        messages = [{"role": "user", "content": "what is " + " ".join(str((i >> b) % 6) for b in range(4))}]
        rows.append(
            {
                "prompt_id": normalize.prompt_id(messages),
                "norm_hash": normalize.norm_hash(messages),
                "data_source": "toy/sums",
                "prompt": messages,
                "reward_model": {"style": "rule", "ground_truth": str(i % 6)},
                "extra_info": {"split": split, "index": str(i)},
                "metadata_json": "{}",
                "split": split,
                "difficulty": ("easy", "hard")[i % 2],
            }
        )
    return rows


def save_policy(directory: Path, seed: int = 0) -> Path:
    model, tokenizer = tiny_policy(WORDS, seed)
    models.save_policy(model, tokenizer, directory)
    return directory


def save_prompts(path: Path, count: int = 6) -> Path:
    rows = prompt_rows(count) + prompt_rows(count + 3, "train")[count:]
    artifacts.write(path, artifacts.PROMPTS, rows)
    return path
