"""A run ends where it would have ended, wherever it was interrupted; and it learns."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
import torch

from rlpipe import artifacts, models
from rlpipe.policy.precision import arithmetic, with_master_weights
from rlpipe.train import run as run_module
from rlpipe.train.run import Job, train
from rlpipe.train.settings import PhaseSettings, TrainSettings
from rlpipe.types import Prompt, Verdict
from rlpipe.verifiers.error_rate import ErrorRate, VerifierFailing
from tests.toy import tiny_policy

SETTINGS = TrainSettings(
    steps=7, prompts=4, rollouts=4, mini_batches=2, max_new_tokens=4, checkpoint_every=3, learning_rate=3e-3
)
POOL = [Prompt(f"p{i}", ({"role": "user", "content": f"w{i}"},), f"w{i}", "toy") for i in range(6)]


def echo(pairs: Sequence[tuple[Prompt, str]]) -> list[Verdict]:
    """Right is a response that begins with the prompt's word."""
    verdicts = []
    for prompt, response in pairs:
        right = response.split()[:1] == [prompt.answer]
        verdicts.append(Verdict(float(right), "ok" if right else "wrong", canonical=response, verifier="echo"))
    return verdicts


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("rlpipe.rewards.judge.verify_many", echo)
    model, tokenizer = tiny_policy()
    models.save_policy(model, tokenizer, tmp_path / "policy")
    return tmp_path / "policy"


def run(
    policy: Path, out: Path, methods: list, settings: TrainSettings = SETTINGS, scratch: Path | None = None
) -> Path:
    scratch = scratch or out.with_name(out.name + "-scratch")
    out.mkdir(exist_ok=True)
    scratch.mkdir(exist_ok=True)
    train(Job("grpo", 0, [PhaseSettings(methods=methods)], settings, POOL, policy), out, scratch)
    return out


def files(out: Path) -> dict[str, bytes]:
    names = ["policy/model.safetensors", "metrics.parquet", "rollouts.parquet"]
    return {name: (out / name).read_bytes() for name in names}


class Killed(BaseException):
    """As good as SIGKILL: nothing in the package catches it."""


@pytest.mark.parametrize("methods", [["grpo"], ["dapo"]])
def test_killed_at_random_instants_it_ends_bitwise_where_it_would_have(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods: list
) -> None:
    expected = files(run(policy, tmp_path / "whole", methods))
    places = ["rlpipe.train.step.collate", "rlpipe.train.checkpoint.torch.save", "rlpipe.train.step.update"]
    rng = random.Random(0)
    for trial in range(4):
        out = tmp_path / f"killed-{trial}"
        for _ in range(3):
            with monkeypatch.context() as patch:
                patch.setattr("rlpipe.rewards.judge.verify_many", echo)
                countdown = rng.randint(1, 9)
                place = rng.choice(places)
                module, _, name = place.rpartition(".")
                original = getattr(__import__("pydoc").locate(module), name)

                def fatal(*args: object, original=original, state={"left": countdown}, **kwargs: object):  # noqa: B006
                    state["left"] -= 1
                    if state["left"] == 0:
                        raise Killed
                    return original(*args, **kwargs)

                patch.setattr(place, fatal)
                try:
                    run(policy, out, methods)
                except Killed:
                    shutil.rmtree(out)
        assert files(run(policy, out, methods)) == expected


def test_two_runs_are_bitwise_equal_and_seeds_differ(policy: Path, tmp_path: Path) -> None:
    first, second = run(policy, tmp_path / "a", ["grpo"]), run(policy, tmp_path / "b", ["grpo"])
    assert files(first) == files(second)


def test_it_learns_to_echo(policy: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(
        update={"steps": 60, "prompts": 6, "rollouts": 8, "max_new_tokens": 2, "learning_rate": 1e-2}
    )
    metrics = artifacts.read(run(policy, tmp_path / "out", ["grpo"], settings) / "metrics.parquet", artifacts.STEPS)
    assert metrics["reward"][-10:].mean() > metrics["reward"][:10].mean() + 0.3
    assert metrics["token_entropy"][-5:].mean() < metrics["token_entropy"][:5].mean()


def test_every_rollout_is_kept_with_its_tokens(policy: Path, tmp_path: Path) -> None:
    out = run(policy, tmp_path / "out", ["dapo"])
    rollouts = artifacts.read(out / "rollouts.parquet", artifacts.ROLLOUTS)
    metrics = artifacts.read(out / "metrics.parquet", artifacts.STEPS)
    assert len(rollouts) == int(metrics["groups_sampled"].sum()) * SETTINGS.rollouts
    assert (rollouts["response_ids"].list.len() == rollouts["n_response_tokens"]).all()
    assert (rollouts["logprobs"].list.len() == rollouts["n_response_tokens"]).all()
    kept = rollouts.filter(pl.col("info_json").str.contains("true"))
    assert kept.group_by("group_id").agg(pl.col("reward").n_unique()).get_column("reward").min() == 2
    assert rollouts.select("policy_step", "prompt_id", "group_id", "sample_index").is_unique().all()


def test_nan_ends_the_run_with_a_readable_message(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "learning_rate", lambda settings, step: float("nan") if step == 1 else 1e-3)
    with pytest.raises(FloatingPointError, match=r"run grpo seed 0, step [12]: .*learning_rate"):
        run(policy, tmp_path / "out", ["grpo"])


def test_a_policy_without_tokenizer_is_named(tmp_path: Path) -> None:
    model, _ = tiny_policy()
    model.save_pretrained(tmp_path / "bare")
    with pytest.raises(models.ModelError, match="tokenizer"):
        models.load_policy(tmp_path / "bare")
    with pytest.raises(models.ModelError, match=r"no config\.json"):
        models.load_policy(tmp_path)


def test_sampler_and_trainer_agree(policy: Path, tmp_path: Path) -> None:
    metrics = artifacts.read(run(policy, tmp_path / "out", ["grpo"]) / "metrics.parquet", artifacts.STEPS)
    assert float(metrics["logprob_gap_p999"].max()) < 1e-4
    assert torch.tensor(metrics["clip_fraction"].to_list()).isfinite().all()


def test_a_failing_verifier_ends_the_run_and_names_a_prompt(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlpipe.rewards.judge.verify_many", lambda pairs: [Verdict(0.0, "error") for _ in pairs])
    monkeypatch.setattr(run_module, "ErrorRate", lambda: ErrorRate(minimum=5))
    with pytest.raises(VerifierFailing, match=r"prompt p\d"):
        run(policy, tmp_path / "out", ["grpo"])


def test_a_run_in_bfloat16_moves_float32_weights_by_small_steps(policy: Path, tmp_path: Path) -> None:
    model, tokenizer = tiny_policy()
    models.save_policy(with_master_weights(model, "bfloat16"), tokenizer, tmp_path / "start")
    small = SETTINGS.model_copy(update={"steps": 2, "learning_rate": 1e-6})
    out = run(tmp_path / "start", tmp_path / "out", ["grpo"], small)
    trained, _ = models.load_policy(out / "policy")
    assert (next(trained.parameters()).dtype, arithmetic(trained)) == (torch.float32, torch.bfloat16)
    before = models.load_policy(tmp_path / "start")[0]
    pairs = list(zip(before.parameters(), trained.parameters(), strict=True))
    moved = sum(int((a != b).sum()) for a, b in pairs) / sum(a.numel() for a, _ in pairs)
    assert moved > 0.9
    rows = pl.read_parquet(out / "rollouts.parquet")
    assert rows["policy_step"].n_unique() == 2


def test_weights_of_low_precision_are_not_trained(policy: Path, tmp_path: Path) -> None:
    model, tokenizer = tiny_policy()
    models.save_policy(model.bfloat16(), tokenizer, tmp_path / "start")
    with pytest.raises(ValueError, match="is bfloat16, in which most updates"):
        run(tmp_path / "start", tmp_path / "out", ["grpo"])
