"""Two files of rollouts, and what the command says of them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import torch
from typer.testing import CliRunner

from rlpipe import artifacts, models
from rlpipe.commands.app import app
from rlpipe.evaluate.compare.perplexity import read_traces
from rlpipe.evaluate.compare.rollout_files import compare_files
from rlpipe.evaluate.settings import EvaluateSettings
from tests.evaluate.rollouts import rollouts
from tests.toy import tiny_policy

QUICK = EvaluateSettings(samples=16, bootstrap_draws=200, flip_draws=1000)


def saved(path: Path, frame: pl.DataFrame) -> Path:
    artifacts.write(path, artifacts.ROLLOUTS, frame)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    before = saved(tmp_path / "before.parquet", rollouts("sft"))
    seeds = [rollouts(f"grpo/seed-{i}", gain=0.3, seed=1 + i) for i in range(2)]
    return [before, *(saved(tmp_path / f"after-{i}.parquet", frame) for i, frame in enumerate(seeds))]


def test_one_table_holds_differences_support_crossover_and_noise(files: list[Path], tmp_path: Path) -> None:
    rows = compare_files(files[:1], files[1:], tmp_path / "out", QUICK)
    frame = artifacts.read(tmp_path / "out" / "metrics.parquet", artifacts.EVAL)
    assert len(frame) == len(rows)
    gain = frame.filter((pl.col("metric") == "diff:pass@k") & (pl.col("k") == 1) & (pl.col("benchmark") == "all"))
    assert gain["value"][0] > 0.15
    counted = frame.filter(
        pl.col("metric").is_in(["support:preserved", "support:expanded", "support:shrunk", "support:out"])
    )
    for _, part in counted.group_by("model_id", "k", "info_json"):
        assert part["value"].sum() == pytest.approx(12)
    control = [r for r in rows if "control" in (r["info_json"] or "") and r["metric"] == "support:net_change"]
    assert control
    assert all(r["value"] == pytest.approx(0) for r in control)
    assert frame.filter(pl.col("metric") == "crossover")["model_id"].to_list() == ["grpo/seed-0", "grpo/seed-1"]
    noise = frame.filter(pl.col("metric").is_in(["global_noise", "run_noise"]))
    assert sorted(noise["run_id"].unique()) == ["base", "trained"]
    assert json.loads(noise.filter(pl.col("run_id") == "trained")["info_json"][0])["passes"] == 32


def test_the_command_prints_what_it_wrote(files: list[Path], tmp_path: Path) -> None:
    arguments = ["compare", "--base", files[0], "--trained", files[1], "--out", tmp_path / "out"]
    settings = ["--set", "bootstrap_draws=200", "--set", "flip_draws=1000"]
    result = CliRunner().invoke(app, [*map(str, arguments), *settings])
    assert result.exit_code == 0, result.output
    for word in ("pass@1", "other", "stays ahead", "run noise"):
        assert word in result.output


def test_a_file_of_several_policies_is_refused(files: list[Path], tmp_path: Path) -> None:
    two = pl.concat([rollouts("sft"), rollouts("grpo/seed-0")])
    mixed = saved(tmp_path / "mixed.parquet", two)
    with pytest.raises(ValueError, match=r"mixed.parquet: holds rollouts of 2 policies .* filter the file by"):
        compare_files([mixed], files[1:], tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


def test_traces_need_both_models(files: list[Path]) -> None:
    arguments = ["compare", "--base", files[0], "--trained", files[1], "--traces", files[1]]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 1
    assert "--base-model and --trained-model go together" in result.output


def test_perplexity_of_traces_rises_where_the_policy_forgot_them(files: list[Path], tmp_path: Path) -> None:
    model, tokenizer = tiny_policy(words=["problem", "x", *map(str, range(12))])
    models.save_policy(model, tokenizer, tmp_path / "before")
    with torch.no_grad():
        head = model.get_output_embeddings().weight
        head[tokenizer.convert_tokens_to_ids("x")] *= -3
    models.save_policy(model, tokenizer, tmp_path / "after")
    arguments = ["compare", "--base", files[0], "--trained", files[1], "--out", tmp_path / "out", "--traces", files[1]]
    policies = ["--base-model", tmp_path / "before", "--trained-model", tmp_path / "after"]
    quick = ["--set", "bootstrap_draws=200", "--set", "flip_draws=1000"]
    result = CliRunner().invoke(app, [*(str(a) for a in [*arguments, *policies]), *quick])
    assert result.exit_code == 0, result.output
    frame = artifacts.read(tmp_path / "out" / "metrics.parquet", artifacts.EVAL)
    row = frame.filter(pl.col("metric") == "diff:log_perplexity").row(0, named=True)
    assert row["n_problems"] == len(read_traces(files[1])) <= 12
    assert row["value"] != 0
    assert row["ci_lo"] <= row["value"] <= row["ci_hi"]


def test_traces_without_a_correct_solution_are_refused(tmp_path: Path) -> None:
    wrong = rollouts().with_columns(acc=pl.lit(False))
    with pytest.raises(ValueError, match="holds no correct solution"):
        read_traces(saved(tmp_path / "wrong.parquet", wrong))
