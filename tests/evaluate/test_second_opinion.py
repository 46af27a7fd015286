"""A second verifier judges a share of the answers; how often it disagrees is a metric with an interval."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.evaluate.sample import Subject, sample
from rlpipe.evaluate.second_opinion import METRIC, disagreement
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.summaries import write_metrics
from rlpipe.types import Prompt
from tests.evaluate.rollouts import rollouts
from tests.evaluate.test_sample import Recorder

SETTINGS = EvaluateSettings(samples=4, max_new_tokens=6, batch_size=8, bootstrap_draws=100, cross_check=1.0)


def judged(tmp_path: Path, source: str, settings: EvaluateSettings = SETTINGS) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Samples and metrics of an engine that answers at random, one of six numbers."""
    prompts = [Prompt(f"p{i}", ({"role": "user", "content": f"say {i}"},), str(i), source) for i in range(6)]
    sample(prompts, Recorder(), settings, Subject("r", "r"), tmp_path / "samples.parquet", tmp_path / "scratch")
    write_metrics(tmp_path, settings)
    return (
        artifacts.read(tmp_path / "samples.parquet", artifacts.ROLLOUTS),
        artifacts.read(tmp_path / "metrics.parquet", artifacts.EVAL).filter(pl.col("metric") == METRIC),
    )


def test_every_exact_answer_is_judged_twice_and_the_two_agree(tmp_path: Path) -> None:
    samples, metrics = judged(tmp_path, "arithmetic")
    second = [json.loads(info).get("second") for info in samples["info_json"]]
    assert set(second) == {"ok", "wrong"}
    assert [s == "ok" for s in second] == samples["acc"].to_list()
    assert metrics["benchmark"].to_list() == ["all", "arithmetic"]
    for row in metrics.iter_rows(named=True):
        assert (row["value"], row["n_problems"], row["ci_method"]) == (0.0, 6, "mid_p")
        assert row["ci_lo"] == pytest.approx(0.0, abs=1e-12)
        assert row["ci_hi"] == pytest.approx(1 - 0.05 ** (1 / 24), abs=1e-6)  # 0 of 24
        assert json.loads(row["info_json"]) == {"asked": 24, "disagreed": 0}


def test_with_no_share_nobody_is_asked_and_nothing_else_changes(tmp_path: Path) -> None:
    (tmp_path / "off").mkdir()
    (tmp_path / "on").mkdir()
    off, none = judged(tmp_path / "off", "arithmetic", SETTINGS.model_copy(update={"cross_check": 0.0}))
    assert len(none) == 0
    assert off.drop("info_json").equals(judged(tmp_path / "on", "arithmetic")[0].drop("info_json"))


def test_disagreement_is_counted_by_source() -> None:
    samples = rollouts(problems=4, samples=10).with_columns(
        pl.when(pl.col("sample_index") < 5)
        .then(pl.when(pl.col("acc")).then(pl.lit('{"second": "ok"}')).otherwise(pl.lit('{"second": "wrong"}')))
        .otherwise(pl.lit('{"split": "test"}'))
        .alias("info_json")
    )
    torn = pl.when((pl.col("data_source") == "rlpipe/b") & (pl.col("sample_index") == 0)).then(~pl.col("acc"))
    found = dict(disagreement(samples.with_columns(torn.otherwise(pl.col("acc")).alias("acc")), 0.95))
    assert {source: numbers["info"] for source, numbers in found.items()} == {
        None: {"asked": 20, "disagreed": 2},
        "rlpipe/a": {"asked": 10, "disagreed": 0},
        "rlpipe/b": {"asked": 10, "disagreed": 2},
    }
    assert found[None]["value"] == 0.1
    assert list(disagreement(rollouts(), 0.95)) == []
