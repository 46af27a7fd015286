"""The score on the clean subset stands beside the score on all prompts, and never on prompts that were not compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from rlpipe import artifacts
from rlpipe.commands.app import app
from rlpipe.contamination.clean_score import clean_scores, headline
from rlpipe.overlap import normalize
from rlpipe.statistics.intervals import Interval, interval

TEXT = "A farmer has {} hens and buys {} more hens at the market on Friday morning. How many hens are there now?"
QUESTIONS = [*(TEXT.format(i, i + 7) for i in range(4)), *(f"Name a prime that is larger than {i}." for i in range(6))]


def prompt_id(question: str) -> str:
    return normalize.prompt_id([{"role": "user", "content": question}])


def row(question: str) -> dict[str, object]:
    messages = [{"role": "user", "content": question}]
    return {"prompt": messages, "data_source": "farm", "reward_model": {"ground_truth": "1"}}


def rollout(question: str, i: int, right: bool) -> dict[str, object]:
    return {
        "run_id": "grpo", "model_id": "grpo", "policy_step": 3, "prompt_id": prompt_id(question), "sample_index": i,
        "data_source": "farm", "prompt": [{"role": "user", "content": question}], "response": "1", "response_ids": [1],
        "logprobs": [-0.1], "entropies": [0.1], "finish_reason": "stop", "n_response_tokens": 1, "reward": float(right),
        "acc": right, "canonical_answer": "1", "verifier": "answer", "verifier_version": "1", "sampling_json": "{}",
        "verifier_status": "ok" if right else "wrong", "seed": 0,
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten evaluation prompts of which the first two are training prompts too; those two are always solved."""
    rows = [row(q) for q in QUESTIONS]
    (tmp_path / "eval.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows[:2])))
    samples = [rollout(q, i, n < 2 or (n + i) % 4 == 0) for n, q in enumerate(QUESTIONS) for i in range(4)]
    artifacts.write(tmp_path / "samples.parquet", artifacts.ROLLOUTS, samples)
    return tmp_path


def called(folder: Path, evaluation: str = "eval.jsonl") -> str:
    arguments = ["contamination", "--train", folder / "train.jsonl", "--eval", folder / evaluation]
    arguments += ["--samples", folder / "samples.parquet", "--out", folder / "out", "--set", "bootstrap_draws=200"]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    return str(result.output)


def test_alone_both_scores_are_written_and_printed(folder: Path) -> None:
    said = called(folder)
    assert "Score on all prompts and on the clean ones" in said
    assert "6 of 10" in said  # the two copies, and two hens of the same template
    rows = artifacts.read(folder / "out" / "metrics.parquet", artifacts.EVAL)
    value = {(r["metric"], r["k"]): r for r in rows.filter(pl.col("benchmark") == "all").iter_rows(named=True)}
    # The two copies count 1 each, every other prompt 1 of 4.
    assert value["pass@k", 1]["value"] == pytest.approx((2 * 1 + 8 * 0.25) / 10)
    clean = value["clean:pass@k", 1]
    assert clean["value"] == pytest.approx(0.25)
    assert (clean["n_problems"], json.loads(clean["info_json"])) == (
        6,
        {"n_all": 10, "n_flagged": 4, "subset": "clean"},
    )
    assert value["pass@k", 4]["ci_lo"] is not None


def test_samples_of_prompts_that_were_not_compared_are_refused(folder: Path) -> None:
    (folder / "other.jsonl").write_text(json.dumps(row(QUESTIONS[0])))
    assert "9 of its prompts are not in" in called(folder, "other.jsonl")
    bare = pl.DataFrame({"question": QUESTIONS})  # Parquet without ids: rows are named by their number
    bare.write_parquet(folder / "bare.parquet")
    assert "`rlpipe import` gives" in called(folder, "bare.parquet")


def mean(values: np.ndarray) -> Interval:
    return interval(values, draws=100)[0]


def test_a_benchmark_without_a_clean_prompt_has_no_clean_score() -> None:
    table = pl.DataFrame({"prompt_id": ["a", "b", "c"], "data_source": ["x", "x", "y"], "pass@1": [1.0, 0.0, 0.5]})
    found = {
        (s.benchmark, s.subset): (s.found.value, s.n, s.total) for s in clean_scores(table, ["b"], ["pass@1"], mean)
    }
    assert found == {
        ("all", "all"): (0.5, 3, 3),
        ("all", "clean"): (0.0, 1, 3),
        ("x", "all"): (0.5, 2, 2),
        ("x", "clean"): (0.0, 1, 2),
        ("y", "all"): (0.5, 1, 1),
    }


def test_headline_takes_the_ends_of_the_curve() -> None:
    assert headline(["pass@1", "pass@2", "pass@8", "majority@1", "majority@8"]) == ["pass@1", "pass@8", "majority@8"]
    assert headline(["pass@1"]) == ["pass@1"]


def test_an_overlap_table_without_an_end_is_refused(folder: Path) -> None:
    from rlpipe.contamination.clean_score import clean_rows
    from rlpipe.curate.files.texts import TextFile

    called(folder)
    overlap = artifacts.read(folder / "out" / "overlap.parquet", artifacts.CONTAMINATION)
    cut = overlap.filter(pl.col("record_type") == "pair")
    prompts = folder / "eval.parquet"
    pl.DataFrame({"prompt_id": [prompt_id(q) for q in QUESTIONS], "text": QUESTIONS}).write_parquet(prompts)
    with pytest.raises(ValueError, match="no row of record_type 'summary'"):
        clean_rows(folder / "samples.parquet", cut, TextFile(prompts), 0.95, 100, 0)
