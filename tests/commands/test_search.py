"""`rlpipe search` and `rlpipe friction`, as a user calls them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlpipe.commands.app import app
from tests.evaluate.policies import save_policy, save_prompts

SMALL = ("max_new_tokens=4", "limit=1", "bootstrap_draws=100")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("policy")
    return save_policy(root / "model"), save_prompts(root / "prompts.parquet")


def call(command: str, policy: tuple[Path, Path], out: Path, *sets: str) -> str:
    model, prompts = policy
    pairs = [part for pair in sets for part in ("--set", pair)]
    arguments = [command, "--model", str(model), "--prompts", str(prompts), "--out", str(out), *pairs]
    result = CliRunner().invoke(app, arguments)
    return f"{result.exit_code} {result.output}"


def test_search_writes_tables_and_prints_one(policy: tuple[Path, Path], tmp_path: Path) -> None:
    said = call("search", policy, tmp_path, *SMALL, "budgets=[2]", "methods=[beam]", "step_tokens=2", "scorer=verifier")
    assert said.startswith("0 ")
    assert "best_of_n" in said
    assert "dvts" not in said
    assert "an upper bound" in said
    assert {file.name for file in tmp_path.iterdir()} == {"searches.parquet", "metrics.parquet"}


def test_friction_writes_tables_and_prints_one(policy: tuple[Path, Path], tmp_path: Path) -> None:
    said = call("friction", policy, tmp_path, *SMALL, "rounds=2")
    assert said.startswith("0 ")
    assert "solved so far" in said
    assert {file.name for file in tmp_path.iterdir()} == {"friction.parquet", "metrics.parquet"}


@pytest.mark.parametrize(
    ("command", "setting", "message"),
    [
        ("search", "methods=[beams]", "name each of best_of_n"),
        ("search", "separators=[';']", "no token of the tokenizer is that"),
        ("search", "split=exam", "no prompts to evaluate in split 'exam'"),
        ("friction", "tries=2", "set heat to true"),
        ("friction", "max_new_tokens=400", "shorten max_new_tokens"),
    ],
)
def test_mistakes_are_one_readable_message(
    policy: tuple[Path, Path], tmp_path: Path, command: str, setting: str, message: str
) -> None:
    said = call(command, policy, tmp_path, setting)
    assert said.startswith("1 ")
    assert message in said
    assert "Traceback" not in said


@pytest.mark.parametrize("command", ["search", "friction"])
def test_what_is_missing_is_named(command: str) -> None:
    result = CliRunner().invoke(app, [command])
    assert result.exit_code == 1
    assert "give --model and --prompts" in result.output
