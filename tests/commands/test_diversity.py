"""Every diversity measure of a file of rollouts, by command and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from rlpipe import artifacts, models
from rlpipe.commands.app import app
from rlpipe.evaluate.diversity.rollout_files import diversity_of_rollouts
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.overlap.paraphrase.embed import embedder
from tests.evaluate.rollouts import rollouts
from tests.toy import tiny_policy

QUICK = EvaluateSettings(samples=16, bootstrap_draws=200, flip_draws=1000)


def saved(path: Path, responses: list[str]) -> Path:
    frame = rollouts(samples=len(responses)).with_columns(
        response=pl.col("sample_index").replace_strict(dict(enumerate(responses)), return_dtype=pl.String)
    )
    artifacts.write(path, artifacts.ROLLOUTS, frame.with_columns(canonical_answer=pl.col("response")))
    return path


def values(path: Path, **options: object) -> dict[str, float]:
    rows = diversity_of_rollouts(path, path.parent / "out", QUICK, **options)  # type: ignore[arg-type]
    return {r["metric"]: r["value"] for r in rows}


def test_four_equal_and_four_different_responses(tmp_path: Path) -> None:
    same = values(saved(tmp_path / "same.parquet", ["a b c d e"] * 4))
    apart = values(saved(tmp_path / "apart.parquet", ["a b c d e", "f g h i j", "k l m n o", "p q r s t"]))
    for q in ("0.5", "1", "2", "inf"):
        assert same[f"vendi_ngram_q{q}"] == pytest.approx(1) == same[f"vendi_answer_q{q}"]
        assert apart[f"vendi_ngram_q{q}"] == pytest.approx(4) == apart[f"vendi_answer_q{q}"]
    assert (same["distinct_1"], apart["distinct_1"]) == (pytest.approx(5 / 20), 1.0)
    # 5 different of 20 words drawn from 5: 5 (1 - 0.8^20) are expected.
    assert same["ead_1"] == pytest.approx(1 / (1 - 0.8**20))
    assert (same["answer_entropy"], apart["answer_entropy"]) == (0, pytest.approx(np.log(4)))
    assert (same["inverse_simpson"], apart["inverse_simpson"]) == (1, 4)
    assert (same["collision_probability"], apart["collision_probability"]) == (1, 0)
    assert same["self_bleu"] == pytest.approx(1)


def test_embeddings_of_a_policy_and_the_command(tmp_path: Path) -> None:
    words = ["a", "b", "c", "d"]
    models.save_policy(*tiny_policy(words=words), tmp_path / "policy")
    embed, vocabulary = embedder(tmp_path / "policy")
    assert vocabulary == len(words) + 5
    found = embed(["a b", "a b", "c d d", ""])
    assert found.shape == (4, 16)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert not np.allclose(found[0], found[2])
    path = saved(tmp_path / "rollouts.parquet", ["a b", "c d d", "a", "b b"])
    quick = ["--set", "bootstrap_draws=200", "--order", "1", "--order", "inf"]
    arguments = ["diversity", "--rollouts", path, "--embed", tmp_path / "policy", "--out", tmp_path / "out"]
    result = CliRunner().invoke(app, [*map(str, arguments), *quick])
    assert result.exit_code == 0, result.output
    frame = artifacts.read(tmp_path / "out" / "metrics.parquet", artifacts.EVAL)
    by_name = dict(zip(frame["metric"], frame["value"], strict=True))
    assert 1 <= by_name["vendi_embedding_qinf"] <= by_name["vendi_embedding_q1"] <= 4
    assert "vendi embedding q1" in result.output


def test_bad_numbers_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "rollouts.parquet", ["a", "b"])
    with pytest.raises(ValueError, match="two samples or more, and orders from 0 on"):
        diversity_of_rollouts(path, tmp_path / "out", samples=1)
    with pytest.raises(ValueError, match="cannot be loaded as model and tokenizer"):
        embedder(tmp_path / "nothing")
