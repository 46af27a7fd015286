"""`rlpipe contamination --embed`: paraphrases by command, and what is refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from rlpipe import artifacts
from rlpipe.artifacts import CONTAMINATION
from rlpipe.commands.app import app
from rlpipe.models import save_policy
from rlpipe.overlap.clean_subset import clean_subset
from tests.overlap.test_paraphrases import BREAD, OTHER, judge_saying, turned, written
from tests.toy import tiny_policy


def test_by_command(tmp_path: Path) -> None:
    save_policy(*tiny_policy(words=[*BREAD.split(), *OTHER.split()]), tmp_path / "encoder")
    train = written(tmp_path / "train.parquet", {"a": turned(BREAD), "b": OTHER})
    evaluation = written(tmp_path / "set.parquet", {"e": BREAD})
    base = ["contamination", "--train", str(train), "--eval", str(evaluation), "--out", str(tmp_path / "out")]
    with_model = [*base, "--embed", str(tmp_path / "encoder"), "--cosine", "-1"]
    result = CliRunner().invoke(app, with_model)
    assert result.exit_code == 0, result.output
    table = artifacts.read(tmp_path / "out" / "overlap.parquet", CONTAMINATION)
    pairs = table.filter(pl.col("method") == "embedding")
    assert set(pairs["train_id"]) == {"a", "b"}
    assert "set: 1 rows compared by embeddings; pairs: 2 not judged" in " ".join(result.output.split())
    result = CliRunner().invoke(app, [*with_model, "--judge", str(judge_saying("no", tmp_path / "judge"))])
    assert result.exit_code == 0, result.output
    assert "pairs: 2 judged different" in " ".join(result.output.split())
    table = artifacts.read(tmp_path / "out" / "overlap.parquet", CONTAMINATION)
    assert clean_subset(table, pl.DataFrame({"prompt_id": ["e"]})) == ["e"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train", "t", "--eval", "e", "--embed", "nowhere/at/all"], "embedding model nowhere/at/all: cannot be"),
        (["--train", "t", "--eval", "e", "--judge", "j"], "--judge and --cosine go with --embed"),
        (["--model", "m", "--embed", "x"], "only with --train and --eval"),
        (["--train", "t", "--eval", "e", "--embed", "x", "--cosine", "2"], "less than or equal to 1"),
    ],
)
def test_refused_before_anything_is_read(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["contamination", *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code != 0
    assert message in " ".join(f"{result.output} {result.exception}".split())
    assert not (tmp_path / "out").exists()
