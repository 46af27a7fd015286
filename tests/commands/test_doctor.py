"""`rlpipe doctor`, in an empty folder and in this project; and the list of commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlpipe.commands.app import app
from rlpipe.commands.doctor import findings

HOME = Path(__file__).parents[2]


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_the_doctor_names_a_remedy_beside_each_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "240")
    output = said("doctor", code=1)
    assert "no Snakefile and params.yaml here" in output
    assert "torch" in output


def test_the_doctor_finds_nothing_wrong_with_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOME)
    found = {f.subject: f for f in findings()}
    assert found["params.yaml"].state == "ok"
    assert found["snakemake"].state in ("ok", "note")
    assert all(f.remedy for f in found.values() if f.state == "problem")


def test_help_comes_at_once() -> None:
    for command in ("doctor", "explain", "prune", "accept"):
        assert command in said("--help")
