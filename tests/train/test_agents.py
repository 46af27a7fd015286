"""Two policies in one run: each writes under its name, is paid for its own rollouts, and learns from nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from rlpipe import models
from rlpipe.phases import Phase
from rlpipe.recipe import Recipe, load
from rlpipe.samplers.conversation import converse
from rlpipe.samplers.stories import of_each_prompt
from rlpipe.train import run as run_module
from rlpipe.train.run import Job, train
from rlpipe.train.settings import PhaseSettings, TrainSettings
from rlpipe.types import Group, Prompt
from tests.toy import tiny_policy

SETTINGS = TrainSettings(steps=4, prompts=3, rollouts=4, mini_batches=2, max_new_tokens=4, checkpoint_every=2)
POOL = [Prompt(f"p{i}", ({"role": "user", "content": f"w{i}"},), f"w{i}", "toy") for i in range(5)]


async def both(prompt, engines, plan):
    """The policy answers, and an observer that draws apart answers the same prompt."""
    half = plan.group_size // 2
    own = converse(prompt, engines["policy"], plan, range(half))
    other = converse(prompt, engines["observer"], plan, range(half, 2 * half))
    rollouts = await asyncio.gather(*own, *other)
    named = [replace(r, agent="observer") if i >= half else r for i, r in enumerate(rollouts)]
    return Group(prompt, tuple(named))


def paid_policy(groups, step):
    """The policy's first rollout of a group is right; the observer earns the same whatever it writes."""
    return [
        torch.tensor([1.0, *[0.0] * (len(g.rollouts) - 1)]) * (2 if g.rollouts[0].agent == "policy" else 1)
        for g in groups
    ]


def two_players(reward=paid_policy) -> Recipe:
    recipe = replace(load(["grpo"]), method="two").override(sampler=of_each_prompt(both), reward=reward)
    return recipe.with_agents("observer")


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_module, "load_phases", lambda stacks, artifacts=None: (Phase(1.0, two_players()),))
    model, tokenizer = tiny_policy()
    models.save_policy(model, tokenizer, tmp_path / "policy")
    return tmp_path / "policy"


def trained(start: Path, out: Path, settings: TrainSettings = SETTINGS) -> Path:
    scratch = out.with_name(out.name + "-scratch")
    for folder in (out, scratch):
        folder.mkdir(exist_ok=True)
    train(Job("two", 0, [PhaseSettings(methods=["grpo"])], settings, POOL, start), out, scratch)
    return out


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_each_learns_from_its_own_rollouts_alone(start: Path, tmp_path: Path) -> None:
    out = trained(start, tmp_path / "out")
    assert weights(out / "policy") != weights(start), "its rewards differ within a group"
    assert weights(out / "agents" / "observer") == weights(start), "its rewards are all alike"


def test_rollouts_and_metrics_say_whose_they_are(start: Path, tmp_path: Path) -> None:
    out = trained(start, tmp_path / "out")
    rollouts = pl.read_parquet(out / "rollouts.parquet")
    assert rollouts["agent"].fill_null("policy").value_counts(sort=True)["count"].to_list() == [24, 24]
    assert rollouts.filter(pl.col("sample_index") >= 2)["agent"].unique().to_list() == ["observer"]
    metrics = pl.read_parquet(out / "metrics.parquet")
    assert metrics["reward"].to_list() == [1.0] * 4
    assert metrics["observer/reward"].to_list() == [0.0] * 4
    assert (metrics["observer/grad_norm"] == 0).all()
    assert (metrics["grad_norm"] > 0).all()


def test_an_interrupted_run_of_two_ends_where_it_would_have(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def phases(stacks, artifacts=None):
        return (Phase(1.0, two_players(lambda groups, step: [torch.tensor([1.0, 0.0, 0.0, 1.0]) for _ in groups])),)

    monkeypatch.setattr(run_module, "load_phases", phases)
    whole = trained(start, tmp_path / "whole")
    with monkeypatch.context() as patch:
        original = run_module.train_step

        def fatal(pool, trainer, recipe, step):
            if step.index == 3:
                raise KeyboardInterrupt
            return original(pool, trainer, recipe, step)

        patch.setattr(run_module, "train_step", fatal)
        with pytest.raises(KeyboardInterrupt):
            trained(start, tmp_path / "cut")
    resumed = trained(start, tmp_path / "cut")
    for name in ("policy", "agents/observer"):
        assert weights(resumed / name) == weights(whole / name) != weights(start)
