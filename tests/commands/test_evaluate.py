"""Without the workflow: a checkpoint and a prompt file, or a file of rollouts; and the stage within it."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.commands.evaluate import evaluate_model, evaluate_rollouts
from rlpipe.commands.opener import read_prompts
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.pipeline.stage import Context
from rlpipe.stages.evaluate import main
from tests.evaluate.policies import save_policy, save_prompts
from tests.evaluate.rollouts import rollouts, write

SETTINGS = EvaluateSettings(samples=4, max_new_tokens=6, batch_size=16, bootstrap_draws=200)


def test_a_checkpoint_on_a_prompt_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, prompts = save_policy(tmp_path / "model"), save_prompts(tmp_path / "prompts.parquet")
    rows = evaluate_model(model, prompts, tmp_path / "out", SETTINGS)
    samples = artifacts.read(tmp_path / "out/samples.parquet", artifacts.ROLLOUTS)
    assert samples.shape[0] == 24
    assert artifacts.read(tmp_path / "out/metrics.parquet", artifacts.EVAL).shape[0] == len(rows)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "metrics.parquet",
        "problems.parquet",
        "samples.parquet",
    ]
    shown = capsys.readouterr().out
    assert "pass@4" in shown
    assert "toy/sums" in shown


def test_prompts_of_another_layout(tmp_path: Path) -> None:
    path = tmp_path / "gsm8k.jsonl"
    lines = [{"question": f"what is {i} and 1", "answer": f"so it is\n#### {i + 1}"} for i in range(3)]
    path.write_text("\n".join(map(json.dumps, lines)))
    found, split = read_prompts(path, "test")
    assert ([p.answer for p in found], split) == (["1", "2", "3"], None)
    assert {p.source for p in found} == {"openai/gsm8k"}


def test_prompts_with_two_answers_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gsm8k.jsonl"
    lines = [{"question": q, "answer": f"#### {a}"} for q, a in (("one", 1), ("two", 2), ("two", 3), ("one", 1))]
    path.write_text("\n".join(map(json.dumps, lines)))
    found, _ = read_prompts(path, "test")
    assert len(found) == 1
    assert "1 prompts with two different answers" in capsys.readouterr().out


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'exam'.*\['test', 'train'\]"):
        read_prompts(save_prompts(tmp_path / "prompts.parquet"), "exam")


def test_a_file_of_rollouts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pl.concat([rollouts("grpo/seed-0"), rollouts("grpo/seed-1", gain=0.2)])
    path = write(tmp_path / "rollouts.parquet", frame)
    rows = evaluate_rollouts(path, tmp_path / "out", SETTINGS)
    assert {r["run_id"] for r in rows} == {"grpo/seed-0", "grpo/seed-1"}
    assert artifacts.read(tmp_path / "out/samples.parquet", artifacts.ROLLOUTS).shape == frame.shape
    again = evaluate_rollouts(tmp_path / "out/samples.parquet", tmp_path / "out", SETTINGS)
    assert again == rows
    assert "grpo/seed-1" in capsys.readouterr().out


def test_a_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = save_prompts(tmp_path / "prompts.parquet")
    with pytest.raises(artifacts.ArtifactError, match="prompts/1"):
        evaluate_rollouts(path, tmp_path / "out", SETTINGS)


def test_the_stage_makes_its_artifact(tmp_path: Path) -> None:
    for name in ("curate", "sft", "train", "out", "scratch"):
        (tmp_path / name).mkdir()
    save_prompts(tmp_path / "curate/prompts.parquet")
    params = {"evaluate": SETTINGS.model_dump(mode="json")}
    steps = dict.fromkeys(artifacts.STEPS.required, 0.0)
    artifacts.write(tmp_path / "train/metrics.parquet", artifacts.STEPS, [{**steps, "step": s} for s in range(5)])
    for directory, artifact, wildcards in (
        ("sft", "sft", {}),
        ("train", "train/grpo/seed-1", {"run": "grpo", "seed": "1"}),
    ):
        save_policy(tmp_path / directory / "policy")
        inputs = {"curate": tmp_path / "curate", artifact: tmp_path / directory}
        main(Context(params, wildcards, inputs, tmp_path / "out", tmp_path / "scratch"))
        rows = artifacts.read(tmp_path / "out/metrics.parquet", artifacts.EVAL)
        step, name = (0, "sft") if artifact == "sft" else (5, "grpo/seed-1")
        assert set(rows["run_id"]) == {name}
        assert set(rows["policy_step"]) == {step}
        assert set(rows["split"]) == {"test"}
        assert rows["n_problems"][0] == 6
