"""What happens to artifacts when a run is killed, interrupted, doubled, edited under, or fails.

Over copies of a project with toy stages (tests/workflow_toy).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable

import pytest

from tests.workflow_toy import Project

pytest_plugins = "tests.workflow_toy.fixtures"


@pytest.fixture(scope="module")
def pulled(origin: Project) -> Project:
    """No clone is needed here: where things first ran will do."""
    return origin


FLAG = "results/train/grpo/seed-0.done"


def wait_for(happened: Callable[[], object], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def training(project: Project, *arguments: str) -> subprocess.Popen[str]:
    """Snakemake with one training under way that has written a checkpoint and waits for the file `gate`."""
    project.params(train={"learning_rate": 0.1})
    process = project.start(FLAG, *arguments, TOY_GATE="gate")
    scratch = project.path / ".rlpipe/work/results/train/grpo/seed-0"

    def reached() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return any(scratch.glob("*/scratch/step.txt"))

    wait_for(reached)
    return process


def contents(project: Project) -> dict[str, bytes]:
    """The files of the artifact of FLAG, which must survive whatever happens."""
    folder = project.path / "results/train/grpo/seed-0"
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def log(project: Project) -> str:
    file = project.path / "logs/train/grpo/seed-0.log"
    return file.read_text() if file.exists() else ""


def test_killed_work_resumes_where_uninterrupted_work_ends(unrecorded: Project) -> None:
    before = contents(unrecorded)
    process = training(unrecorded)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert contents(unrecorded) == before
    assert not (unrecorded.path / FLAG).exists()
    unrecorded.snakemake("--unlock")
    unrecorded.snakemake(FLAG)
    assert "resuming at step 1" in log(unrecorded)
    resumed = contents(unrecorded)["policy/weights.json"]
    assert resumed != before["policy/weights.json"]
    unrecorded.snakemake(FLAG, "--forcerun", FLAG)
    assert "resuming" not in log(unrecorded)
    assert contents(unrecorded)["policy/weights.json"] == resumed
    assert not list((unrecorded.path / ".rlpipe/work").rglob("step.txt"))


def test_a_job_that_outlives_snakemake_is_waited_for(unrecorded: Project) -> None:
    process = training(unrecorded)
    os.kill(process.pid, signal.SIGKILL)
    said = unrecorded.snakemake(FLAG, check=False)
    assert "LockException" in said
    assert "--unlock" in said
    unrecorded.snakemake("--unlock")
    second = unrecorded.start(FLAG)
    wait_for(lambda: "waiting for it" in log(unrecorded))
    (unrecorded.path / "gate").touch()
    said = second.communicate(timeout=600)[0]
    assert second.returncode == 0, said
    process.communicate()
    assert "the artifact stands" in log(unrecorded)
    assert unrecorded.journal() == {"train": 1}


def test_control_c_leaves_everything_resumable_and_says_so(unrecorded: Project) -> None:
    before = contents(unrecorded)
    process = training(unrecorded)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=600)[0]
    assert process.returncode
    assert "The same command goes on from there" in said
    assert "interrupted" in log(unrecorded)
    assert contents(unrecorded) == before
    unrecorded.snakemake(FLAG)
    assert "resuming at step 1" in log(unrecorded)


def test_one_run_at_a_time_and_a_look_at_other_parameters_disturbs_nothing(unrecorded: Project) -> None:
    process = training(unrecorded)
    assert "LockException" in unrecorded.snakemake(FLAG, check=False)
    unrecorded.params(train={"learning_rate": 0.2})
    unrecorded.snakemake("-n", check=False)
    (unrecorded.path / "gate").touch()
    said = process.communicate(timeout=600)[0]
    assert process.returncode == 0, said
    assert unrecorded.journal() == {"train": 1}
    assert unrecorded.planned(FLAG) == {"train": 1}


def test_code_edited_during_a_run_stops_later_jobs(unrecorded: Project) -> None:
    process = training(unrecorded, "results/evaluate/grpo/seed-0.done")
    unrecorded.edit("rlpipe/stages/evaluate.py", "0xFFFF", "0xFFFE")
    (unrecorded.path / "gate").touch()
    said = process.communicate(timeout=600)[0]
    assert process.returncode
    assert "rlpipe.stages.evaluate changed since this run was planned: start snakemake again" in said
    assert unrecorded.planned("results/evaluate/grpo/seed-0.done") == {"evaluate": 1}


def test_a_forced_job_really_runs_and_what_comes_out_the_same_stops_there(unrecorded: Project) -> None:
    unrecorded.snakemake("--forcerun", "sft")
    assert unrecorded.journal() == {"sft": 1}
    unrecorded.snakemake("--forceall", FLAG)
    assert unrecorded.journal() == {"curate": 1, "sft": 1, "train": 1}


def test_a_damaged_input_is_refused(project: Project) -> None:
    file = project.path / "results/curate/prompts.txt"
    whole = file.read_bytes()
    project.params(sft={"steps": 7})
    project.snakemake("-n")
    harms = {
        "is not what was written": bytes([whole[0] ^ 1]) + whole[1:],
        f"has {len(whole) - 1} bytes instead of {len(whole)}": whole[:-1],
        "is missing": None,
    }
    for words, harmed in harms.items():
        file.unlink()
        if harmed is not None:
            file.write_bytes(harmed)
        done = project.call("python", "-m", "rlpipe.pipeline.stage", "results/sft.done", check=False)
        assert done.returncode == 1
        assert f"input results/curate is damaged: results/curate/prompts.txt {words}" in done.stderr
        assert "dvc checkout --force results/curate.dvc" in done.stderr
    project.dvc("checkout", "--force", "results/curate.dvc")
    project.call("python", "-m", "rlpipe.pipeline.stage", "results/sft.done")


def test_a_module_nobody_declared_cannot_be_imported(unrecorded: Project) -> None:
    unrecorded.edit("workflow/rules/common.smk", 'f"rlpipe.methods.{name}" for', '"rlpipe.methods" for')
    said = unrecorded.snakemake(FLAG, check=False)
    assert "rlpipe.methods.grpo is not part of the key of this artifact" in said
    assert "list it under `code`" in said


@pytest.mark.parametrize("failure", ["grpo 0", "full"])
def test_a_failing_stage_leaves_the_earlier_artifact(project: Project, failure: str) -> None:
    before = contents(project)
    project.params(train={"learning_rate": 0.1})
    targets = (FLAG, "results/train/rloo/seed-1.done")
    said = project.snakemake("--keep-going", *targets, check=False, TOY_FAIL=failure)
    assert ("the disk is full; make room" if failure == "full" else "unset TOY_FAIL") in said
    assert "Traceback" not in said
    assert contents(project) == before
    assert project.journal() == {"train": 2}
    recorded = project.git("status", "--short", "results").split()
    assert recorded == ([] if failure == "full" else ["M", "results/train/rloo/seed-1.dvc"])
    project.call("python", "-m", "rlpipe.pipeline.stage", FLAG)
    assert project.journal() == {"train": 1}
    assert not list((project.path / ".rlpipe/work/results/train/grpo").rglob("step.txt"))


def test_undeclared_runs_and_seeds_are_refused(pulled: Project) -> None:
    said = pulled.snakemake("results/train/grpo/seed-9.done", check=False)
    assert "seed 9 of run grpo is not declared: add it to runs.grpo.seeds in params.yaml" in said
    said = pulled.snakemake("results/train/other/seed-0.done", check=False)
    assert "run other is not declared: add it under `runs` in params.yaml, which has grpo, rloo" in said
    done = pulled.call("python", "-m", "rlpipe.pipeline.stage", "results/train/other/seed-0.done", check=False)
    assert "declare its run under `runs` in params.yaml" in done.stderr


def test_wrong_parameters_stop_before_anything_runs(edited: Project) -> None:
    edited.edit("params.yaml", "learning_rate:", "learnin_rate:")
    said = edited.snakemake(check=False)
    assert "params.yaml: train.learnin_rate: unknown key; did you mean 'learning_rate'?" in said
    assert edited.journal() == {}


def test_without_git_or_dvc_it_says_so_in_one_line(unrecorded: Project) -> None:
    unrecorded.params(report={"title": "Another"})
    assert "Artifacts are not recorded: no .dvc folder here" in unrecorded.snakemake()
    (unrecorded.path / ".dvc").mkdir()
    shutil.rmtree(unrecorded.path / ".git")
    unrecorded.params(report={"title": "Yet another"})
    assert "Artifacts are not recorded: this is no Git repository" in unrecorded.snakemake()
    assert unrecorded.planned() == {}


def test_reports_and_lint_work(pulled: Project) -> None:
    pulled.snakemake("--report", "report.zip")
    with zipfile.ZipFile(pulled.path / "report.zip") as report:
        assert any("curve" in name for name in report.namelist())
    assert "Congratulations" in pulled.snakemake("--lint")


def test_the_devices_of_the_submitting_machine_decide_nothing(pulled: Project) -> None:
    asked = []
    for devices in ("", "0,1"):
        lines = pulled.snakemake("-n", "-p", "--forceall", CUDA_VISIBLE_DEVICES=devices).splitlines()
        asked.append(sorted(line for line in lines if "resources:" in line or "--devices" in line))
    assert asked[0] == asked[1]
    assert sum("--devices 1 " in line for line in asked[0]) == 14


def test_a_no_op_imports_nothing_heavy(pulled: Project) -> None:
    done = pulled.call("python", "-X", "importtime", "-m", "snakemake", "--cores", "all")
    assert "Nothing to be done" in done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "rlpipe.pipeline.plan" in imported
    assert {"torch", "transformers", "polars", "pyarrow", "scipy"} & imported == set()
