"""A toy policy over the words of a task."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rlpipe import models
from rlpipe.contamination.probes.probe import Subject
from rlpipe.contamination.settings import ContaminationSettings
from tests.contamination.toy import SHAPE, WORDS


@pytest.fixture(scope="session")
def policy_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy in Hugging Face layout, with weights large enough to have peaked distributions."""
    directory = tmp_path_factory.mktemp("policy") / "policy"
    tokenizer = models.word_tokenizer(WORDS, SHAPE.max_length)
    model = models.from_scratch(SHAPE, tokenizer, seed=0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(6.0 if weight.dim() > 1 else 1.0)
    models.save_policy(model, tokenizer, directory)
    return directory


@pytest.fixture
def settings() -> ContaminationSettings:
    return ContaminationSettings(
        prompts_per_class=6,
        benchmark_prompts=4,
        second_response={"kind": "marker"},
        noise="words",
        max_new_tokens=8,
        samples=3,
        bootstrap_draws=200,
        completion={"prompts": 4},
        drift={"prompts": 6},
    )


@pytest.fixture(scope="session")
def subject(policy_dir: Path) -> Subject:
    return Subject.load(policy_dir, "toy/seed-0", batch_size=64, step=3)
