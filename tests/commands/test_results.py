"""`rlpipe explain`, accept and prune on made-up and on real projects."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from rlpipe.commands.app import app
from rlpipe.pipeline import explain as explaining
from rlpipe.pipeline.accept import accept
from rlpipe.pipeline.explain import differences, in_order, recorded_receipt
from rlpipe.pipeline.plan import set_flag
from rlpipe.pipeline.provenance import ProvenanceError, Spec, content_of, measure, receipt, write_receipt
from tests.workflow_toy import ENVIRONMENT, SERVER, Project, create

OLD: dict[str, Any] = {
    "params": {"train": {"steps": 2, "rate": 0.1}, "runs": {"grpo": {"methods": ["grpo"]}}},
    "code": {"rlpipe.a": "1", "rlpipe.b": "1"},
    "inputs": {"sft": "k1"},
    "sources": {},
}


def spec(name: str = "sft", **changed: Any) -> Spec:
    known = {"wildcards": {}, "params": {}, "code": {}, "inputs": {}, "sources": {}, **changed}
    return Spec(name=name, root="results", **known)


def made(given: Spec, text: str = "weights", **receipt: Any) -> Path:
    """An artifact on disk, as the runner leaves it."""
    given.path.mkdir(parents=True)
    (given.path / "x").write_text(text)
    stored = {"key": given.key, "action": "k0", "spec": given.content, "files": measure(given.path)}
    write_receipt(given.path, {**stored, **receipt})
    set_flag(given.path.with_name(given.path.name + ".done"), True)
    return given.path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project in which Snakemake need not be asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explaining, "refresh", lambda configfiles=(): None)
    return tmp_path


def said(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def test_every_difference_between_two_specs_has_a_line() -> None:
    new = {
        "params": {
            "train": {"steps": 3, "rate": 0.1, "seed": 1},
            "runs": {"grpo": {"methods": [{"grpo": {"clip": 1}}]}},
        },
        "code": {"rlpipe.a": "2", "rlpipe.c": "1"},
        "inputs": {"sft": "k2"},
        "sources": {"raw.txt": "0"},
    }
    assert differences(OLD, new) == [
        "parameter train.steps: 2 -> 3",
        'parameter runs.grpo.methods: no longer given (was ["grpo"])',
        "parameter train.seed: now 1",
        "parameter runs.grpo.methods[0].grpo.clip: now 1",
        "module rlpipe.a: changed",
        "module rlpipe.b: no longer used",
        "module rlpipe.c: new",
        "source file raw.txt: new",
        "input sft: changed",
    ]
    assert differences(OLD, OLD) == []
    assert differences({**OLD, "params": {"k": 1}}, {**OLD, "params": {"k": 1.0}}) == ["parameter k: 1 -> 1.0"]


def test_explain_follows_the_inputs(folder: Path) -> None:
    curate = spec("curate", params={"curate": {"seed": 1}})
    made(spec("curate", params={"curate": {"seed": 0}}))
    curate.write()
    sft = spec(inputs={"curate": curate.key})
    sft.write()
    made(spec(inputs={"curate": "k9"}))
    assert said("explain", "results/sft.done").splitlines() == [
        "results/sft: would be made again",
        "  input curate: changed",
        "  results/curate: would be made again",
        "    parameter curate.seed: 0 -> 1",
    ]
    assert said("explain", "results/train/none/seed-0", code=1).startswith("results/train/none/seed-0: not wanted")


def test_explain_says_so_when_all_is_well_here_or_elsewhere(folder: Path) -> None:
    spec().write()
    assert said("explain", "results/sft") == "results/sft: would be made; there is none yet\n"
    pointer = folder / "results" / "sft.dvc"
    pointer.parent.mkdir()
    pointer.write_text(f"outs:\n- md5: 12.dir\n  path: sft\nmeta:\n  key: {spec().key}\n")
    assert "up to date; its data is not here: `dvc pull results/sft.dvc`" in said("explain", "results/sft")
    made(spec())
    assert said("explain", "results/sft/") == "results/sft: up to date\n"


def test_a_pointer_without_its_data_is_explained_from_the_cache_as_far_as_it_goes(folder: Path) -> None:
    now = spec(params={"sft": {"steps": 2}})
    now.write()
    pointer = folder / "results" / "sft.dvc"
    pointer.parent.mkdir()
    pointer.write_text("outs:\n- md5: 12ab.dir\n  path: sft\nmeta:\n  key: k1\n")
    assert "`dvc pull results/sft/receipt.json` brings what is needed to say why" in said("explain", "results/sft")
    for name, value in {
        "12/ab.dir": [{"md5": "34cd", "relpath": "receipt.json"}, {"md5": "56", "relpath": "x"}],
        "34/cd": {"key": "k1", "spec": {**spec().content, "params": {"sft": {"steps": 1}}}},
    }.items():
        file = folder / ".dvc/cache/files/md5" / name
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(value))
    assert recorded_receipt(Path("results/sft")) is not None
    assert "  parameter sft.steps: 1 -> 2" in said("explain", "results/sft")


def test_accepting_renews_the_receipt_and_keeps_the_reason(folder: Path) -> None:
    curate, before = spec("curate"), spec(code={"rlpipe.a": "1"}, inputs={"curate": "k9"})
    made(curate)
    path = made(before)
    after = spec(code={"rlpipe.a": "2"}, inputs={"curate": curate.key})
    after.write()
    curate.write()
    assert "accept" not in json.dumps(receipt(path))
    output = said("accept", "results/sft", "--yes", "--reason", "renamed a variable")
    assert "results/sft: module rlpipe.a: changed" in output
    stored = receipt(path) or {}
    assert stored["key"] == after.key
    assert stored["action"] == after.action({"curate": content_of(receipt(curate.path) or {})})
    changed = ["module rlpipe.a: changed", "input curate: changed"]
    assert stored["accepted"] == [{"key": before.key, "changed": changed, "reason": "renamed a variable"}]
    assert "nothing to accept" in said("accept", "--yes")


def test_what_cannot_be_accepted(folder: Path) -> None:
    with pytest.raises(ProvenanceError, match="is not here"):
        accept(spec(), "")
    path = made(spec(params={"sft": 1}))
    with pytest.raises(ProvenanceError, match="accept or make its input results/curate first"):
        accept(spec(inputs={"curate": "k1"}), "")
    (path / "x").write_text("other")
    with pytest.raises(ProvenanceError, match="is damaged"):
        accept(spec(), "")


def test_producers_come_before_what_is_made_of_them() -> None:
    train = spec("train/grpo/seed-0", inputs={"sft": "k1", "curate": "k2"})
    sft = spec(inputs={"curate": "k2"})
    assert [s.name for s in in_order([train, sft, spec("curate")])] == ["curate", "sft", "train/grpo/seed-0"]


def test_pruning_takes_what_nobody_wants_and_nothing_else(folder: Path) -> None:
    keep, old = spec("train/grpo/seed-0"), spec("train/old/seed-0")
    keep.write()
    for given in (keep, old, spec("curate")):
        made(given)
    study = folder / "results" / "small" / "train" / "more" / "seed-7"
    study.mkdir(parents=True)
    (study / "receipt.json").write_text("{}")
    Path("results/evaluate/old").mkdir(parents=True)
    Path("results/evaluate/old/seed-0.dvc").write_text("outs:\n")
    scratch = Path(".rlpipe/work/results/train/older/seed-1/k1/scratch")
    scratch.mkdir(parents=True)
    names = ["curate", "evaluate/old/seed-0", "train/old/seed-0", "train/older/seed-1"]
    listed = said("prune")
    assert re.findall(r"MiB  results/(\S+)", listed) == names
    assert "`rlpipe prune --delete` removes them" in listed
    assert old.path.exists()
    said("prune", "--delete")
    left = sorted(str(f) for f in Path("results").rglob("*") if f.is_file())
    assert left == [
        "results/small/train/more/seed-7/receipt.json",
        "results/train/grpo/seed-0.done",
        "results/train/grpo/seed-0/receipt.json",
        "results/train/grpo/seed-0/x",
    ]
    assert not scratch.exists()
    assert "Everything here is wanted" in said("prune")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Real, with toy stages: data and warm-up are there."""
    project = create(tmp_path_factory.mktemp("cli") / "project")
    project.snakemake("results/sft.done")
    yield project
    SERVER.close()


def rlpipe(project: Project, *arguments: str, code: int = 0) -> str:
    call = [sys.executable, "-m", "rlpipe.commands.app", *arguments]
    done = subprocess.run(call, cwd=project.path, env=ENVIRONMENT, text=True, capture_output=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_in_a_real_project_the_parameters_are_read_anew(project: Project) -> None:
    project.edit("rlpipe/models.py", "folder.mkdir()", "folder.mkdir(parents=True)")
    assert "module rlpipe.models: changed" in rlpipe(project, "explain", "results/sft")
    rlpipe(project, "accept", "--yes")
    assert project.planned("results/sft.done") == {}
    project.params(sft={"steps": 7})
    assert rlpipe(project, "explain", "results/sft").endswith("-> 7\n")
    project.params(sft={"stepps": 7})
    assert "sft.stepps: unknown key; did you mean 'steps'?" in rlpipe(project, "explain", "results/sft", code=1)


def test_a_study_is_explained_with_its_own_parameters(project: Project) -> None:
    study = {**yaml.safe_load((project.path / "params.yaml").read_text()), "study": "small"}
    study["sft"] = {"steps": 3, "second_share": 0.1}
    (project.path / "small.yaml").write_text(yaml.safe_dump(study))
    project.snakemake("-n", "--configfile", "small.yaml")
    assert rlpipe(project, "explain", "results/small/sft") == "results/small/sft: would be made; there is none yet\n"
