"""The commands that need no project, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlpipe import models
from rlpipe.commands.app import app
from rlpipe.commands.opener import assignments
from tests.toy import tiny_policy

ROWS = [{"question": f"What is w{i} ?", "answer": f"w{i} #### {i}"} for i in range(5)]


@pytest.fixture
def problems(tmp_path: Path) -> Path:
    path = tmp_path / "problems.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS))
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_methods_lists_every_method() -> None:
    output = run("methods")
    assert all(name in output for name in ("grpo", "kl_cov", "random_reward"))


def test_import_then_export_gives_the_problems_back(problems: Path, tmp_path: Path) -> None:
    assert "5 of 5 rows, read as gsm8k" in run("import", problems, tmp_path / "prompts.parquet", "--split", "test")
    run("export", tmp_path / "prompts.parquet", tmp_path / "out.jsonl", "--layout", "verl", "--pure")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [r["reward_model"]["ground_truth"] for r in rows] == [str(i) for i in range(5)]


def test_preview_shows_rows_as_they_would_be_read_and_writes_nothing(tmp_path: Path) -> None:
    rows = [{"Ctx": f"There are {i} hens.", "Ask": "How many?", "ans": i, "hard": i, "nr": f"h-{i}"} for i in range(5)]
    (tmp_path / "hens.jsonl").write_text("\n".join(json.dumps(r) for r in [*rows, rows[0] | {"ans": None}]))
    said = ["--prompt", "{Ctx} {Ask}", "--answer", "ans", "--level", "hard", "--id", "nr"]
    before = sorted(tmp_path.iterdir())
    shown = run("import", "--preview", tmp_path / "hens.jsonl", *said, "--rows", "2")
    assert sorted(tmp_path.iterdir()) == before
    first = "There are 0 hens. How many? Think step by step and put the final answer within \\boxed{}."
    assert shown.startswith(f"{first}\n  id:     h-0\n  level:  0\n  source: hens\n  answer: 0\n\nThere are 1 hens.")
    assert "There are 2 hens." not in shown
    assert "5 of 6 rows, read as columns\n  hens: 5\n  left out, no reference answer: 1; first " in shown
    assert "hens.jsonl:6: column 'ans' is None" in shown
    assert "5 of 6 rows" in run("import", tmp_path / "hens.jsonl", tmp_path / "out.parquet", *said)
    again = run("import", "--preview", tmp_path / "out.parquet", "--rows", "1")
    assert again.startswith(shown.partition("\n\n")[0])


def test_preview_of_options(tmp_path: Path) -> None:
    (tmp_path / "mc.csv").write_text("q,o,a\nWhich?,\"['x', 'y']\",1\n")
    said = ["--prompt", "q", "--answer", "a", "--options", "o", "--choice", "1"]
    assert "Which?\nA) x\nB) y\nThink" in run("import", "--preview", tmp_path / "mc.csv", *said)


def test_exported_rollouts_carry_the_reference_answers_of_a_prompts_file(problems: Path, tmp_path: Path) -> None:
    model, tokenizer = tiny_policy(words=["What", "is", "?", "####", *(f"w{i}" for i in range(5)), *map(str, range(5))])
    models.save_policy(model, tokenizer, tmp_path / "policy")
    run("import", problems, tmp_path / "prompts.parquet")
    sets = ["--set", "samples=2", "--set", "max_new_tokens=2", "--set", "bootstrap_draws=100"]
    run("evaluate", "--model", tmp_path / "policy", "--prompts", problems, "--out", tmp_path / "out", *sets)
    exported = ["export", tmp_path / "out" / "samples.parquet", tmp_path / "dump.jsonl", "--layout", "rollouts"]
    assert "10 rollouts" in run(*exported)
    dump = [json.loads(line)["gts"] for line in (tmp_path / "dump.jsonl").read_text().splitlines()]
    assert dump == [None] * 10
    run(*exported, "--prompts", tmp_path / "prompts.parquet")
    lines = [json.loads(line) for line in (tmp_path / "dump.jsonl").read_text().splitlines()]
    assert {(line["input"].split()[2], line["gts"]) for line in lines} == {(f"w{i}", str(i)) for i in range(5)}


def test_evaluate_writes_the_stages_artifacts(problems: Path, tmp_path: Path) -> None:
    model, tokenizer = tiny_policy(words=["What", "is", "?", "####", *(f"w{i}" for i in range(5)), *map(str, range(5))])
    models.save_policy(model, tokenizer, tmp_path / "policy")
    sets = ["--set", "samples=4", "--set", "max_new_tokens=6", "--set", "bootstrap_draws=100"]
    run("evaluate", "--model", tmp_path / "policy", "--prompts", problems, "--out", tmp_path / "out", *sets)
    assert (tmp_path / "out" / "samples.parquet").is_file()
    run("evaluate", "--rollouts", tmp_path / "out" / "samples.parquet", "--out", tmp_path / "again", *sets)
    assert (tmp_path / "again" / "metrics.parquet").is_file()


def test_overlap_of_two_files_ends_in_a_verdict(problems: Path, tmp_path: Path) -> None:
    with problems.open("a") as lines:
        lines.write('\n{"question": "What?", "answer": ""}\n')
    output = run("contamination", "--train", problems, "--eval", problems, "--out", tmp_path / "out")
    assert "contaminated" in output
    assert f"{problems}:  left out, no reference answer: 1; first {problems}:6" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate"], "give --model and --prompts, or --rollouts"),
        (["contamination"], "give --model, --members and --nonmembers, or --train and --eval"),
        (
            ["contamination", "--model", "m", "--samples", "s.parquet"],
            "--samples s.parquet: only with --train and --eval",
        ),
        (["import", "nowhere.jsonl", "out.parquet"], "nowhere.jsonl: no such file"),
        (["import", "nowhere.jsonl"], "name the prompts.parquet to write, or give --preview"),
        (["import", "--preview", "x.jsonl", "--choice", "third"], "'letter', 'text', 0 or 1"),
        (
            ["export", "a.parquet", "b.jsonl", "--layout", "verl", "--prompts", "c"],
            "fills the reference answers of rollouts",
        ),
        (["evaluate", "--set", "samples"], "--set samples: write key=value"),
    ],
)
def test_mistakes_are_one_readable_message(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_assignments_nest() -> None:
    assert assignments(["samples=32", "drift.enabled=false"]) == {"samples": 32, "drift": {"enabled": False}}
