"""Rollouts of others that cannot be counted: named, and refused or left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from rlpipe import artifacts
from rlpipe.commands.app import app
from rlpipe.evaluate.problems import read_samples
from rlpipe.evaluate.usable import usable
from tests.evaluate.rollouts import rollouts

NAN, INF = float("nan"), float("inf")


def saved(path: Path, changes: dict[int, dict[str, Any]], again: tuple[int, ...] = ()) -> Path:
    """Rollouts with values changed by row, and the rows of `again` once more at the end."""
    rows = rollouts(problems=3, samples=4).to_dicts()
    rows = [row | changes.get(i, {}) for i, row in enumerate(rows)]
    artifacts.write(path, artifacts.ROLLOUTS, rows + [rows[i] for i in again])
    return path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"reward": NAN}, "reward is not a finite number"),
        ({"reward": -INF}, "reward is not a finite number"),
        ({"logprobs": [-0.5, NAN]}, "logprobs holds what is not a finite number"),
        ({"entropies": [0.5, None, INF]}, "entropies holds what is not a finite number"),
    ],
)
def test_what_is_no_number_is_named_with_its_prompt(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = saved(tmp_path / "r.parquet", {6: change})
    message = rf"r.parquet: 1 of 12 rollouts cannot be counted: row 7: prompt p001, sample 2: {reason}\. Mend"
    with pytest.raises(ValueError, match=message):
        usable(path)
    assert usable(path, "drop").to_list() == [i != 6 for i in range(12)]


def test_a_repeated_sample_is_named_and_the_first_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "r.parquet", {}, again=(5, 5))
    with pytest.raises(
        ValueError, match=r"2 of 14 .*row 13: prompt p001, sample 1: the same sample as in a row before it"
    ):
        read_samples(path)
    assert len(read_samples(path, rule="drop")) == 12
    assert "Left out" in capsys.readouterr().out


def test_sound_rollouts_count_whatever_they_lack(tmp_path: Path) -> None:
    lacking = {0: {"logprobs": None, "entropies": []}, 1: {"logprobs": [None], "seed": None}}
    assert usable(saved(tmp_path / "r.parquet", lacking)).all()
    apart = [{"group_id": "a"}, {"policy_step": 11}, {"agent": "observer"}, {"run_id": "other"}, {"seed": 1}]
    rows = rollouts(problems=1, samples=1).to_dicts()
    artifacts.write(tmp_path / "s.parquet", artifacts.ROLLOUTS, rows + [rows[0] | change for change in apart])
    assert usable(tmp_path / "s.parquet").all(), "other groups, steps, agents, runs and seeds are other samples"


@pytest.mark.parametrize("rows", [3, 200], ids=["groups of three rows", "one group"])
@pytest.mark.parametrize("command", ["evaluate", "diversity", "compare"])
def test_commands_refuse_such_a_file_and_leave_rows_out_where_asked(tmp_path: Path, command: str, rows: int) -> None:
    path = saved(tmp_path / "r.parquet", {7: {"reward": NAN}}, again=(2,))
    pq.write_table(pq.read_table(path), path, row_group_size=rows)
    given = {
        "evaluate": ["--rollouts", path],
        "diversity": ["--rollouts", path],
        "compare": ["--base", path, "--trained", path],
    }
    arguments = [command, *map(str, given[command]), "--out", str(tmp_path / "out"), "--set", "bootstrap_draws=100"]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "row 8: prompt p001, sample 3: reward is not a finite number" in refused.output
    assert "--set unusable=drop" in refused.output
    assert not (tmp_path / "out" / "metrics.parquet").exists()
    if command != "compare":  # it needs one number of samples for all
        done = CliRunner().invoke(app, [*arguments, "--set", "unusable=drop"])
        assert done.exit_code == 0, done.output
        assert "2 of 13 rollouts cannot be counted" in done.output
    if command == "evaluate":
        kept = artifacts.read(tmp_path / "out" / "samples.parquet", artifacts.ROLLOUTS)
        assert kept.equals(
            artifacts.read(path, artifacts.ROLLOUTS).filter(pl.Series([i not in (7, 12) for i in range(13)]))
        )
