"""What reruns and what does not, over real clones of a project with toy stages (tests/workflow_toy).

The promise of the workflow: an artifact is made again if and only if something it is made of changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.workflow_toy import ENVIRONMENT, SERVER, Project, create, jobs

ALL = {"curate": 1, "sft": 1, "train": 4, "evaluate": 4, "evaluate_sft": 1, "contamination": 4, "report": 1}
TRAIN_DOWN = {"train": 4, "evaluate": 4, "contamination": 4, "report": 1}
ONE_RUN = {"train": 2, "evaluate": 2, "contamination": 2, "report": 1}
ONE_SEED = {"train": 1, "evaluate": 1, "contamination": 1, "report": 1}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("promise")
    SERVER.close()


@pytest.fixture(scope="module")
def origin(shelf: Path) -> Project:
    """Run once from nothing, recorded, committed and pushed."""
    project = create(shelf / "origin")
    project.dvc("remote", "add", "-d", "storage", str(shelf / "storage"))
    project.snakemake()
    assert project.journal() == {"curate": 1, "sft": 1, "train": 4, "evaluate": 5, "contamination": 4, "report": 1}
    project.commit("everything")
    project.dvc("push")
    return project


def clone(origin: Project, path: Path, *pull: str) -> Project:
    """`git clone`, and `dvc pull` of what is named; `.` is everything."""
    subprocess.run(["git", "clone", "-q", str(origin.path), str(path)], check=True)
    project = Project(path)
    if pull:
        project.dvc("pull", *(target for target in pull if target != "."))
    return project


@pytest.fixture(scope="module")
def pulled(origin: Project, shelf: Path) -> Project:
    """A fresh clone with its data, for dry runs; whoever edits it puts it back."""
    return clone(origin, shelf / "pulled", ".")


@pytest.fixture
def project(pulled: Project, tmp_path: Path) -> Project:
    """A copy of the clone to run things in."""
    return pulled.copy(tmp_path / "project")


@pytest.fixture
def unrecorded(project: Project) -> Project:
    """The same without DVC, where recording is not the point."""
    shutil.rmtree(project.path / ".dvc")
    return project


@pytest.fixture
def edited(pulled: Project) -> Iterator[Project]:
    yield pulled
    pulled.git("checkout", "-q", ".")
    pulled.git("clean", "-fdq")


# --- nothing to do ---------------------------------------------------------------------------------------------------


def test_after_a_run_dvc_has_nothing_to_say_either(origin: Project) -> None:
    assert "up to date" in origin.dvc("status")
    assert origin.planned() == {}


def test_a_fresh_clone_has_nothing_to_do(pulled: Project) -> None:
    said = pulled.snakemake()
    assert jobs(said) == {}
    assert "dvc pull" not in said


def test_touching_every_file_changes_nothing(project: Project) -> None:
    for file in project.path.rglob("*"):
        if file.is_file() and ".git" not in file.parts and ".dvc" not in file.parts:
            file.touch()
    assert project.planned() == {}
    for folder in (".snakemake", ".rlpipe"):
        shutil.rmtree(project.path / folder)
    assert project.planned() == {}


def test_without_its_data_a_clone_has_nothing_to_do_and_says_what_to_pull(origin: Project, tmp_path: Path) -> None:
    said = clone(origin, tmp_path / "bare").snakemake()
    assert jobs(said) == {}
    assert "16 artifacts are recorded but their data is not here: `dvc pull`" in said


@pytest.mark.parametrize("cache", ["hardlink", "symlink"])
def test_linked_read_only_files_can_be_replaced(origin: Project, tmp_path: Path, cache: str) -> None:
    project = clone(origin, tmp_path / cache)
    project.dvc("config", "--local", "cache.type", cache)
    project.dvc("pull")
    file = project.path / "results" / "report" / "metrics.json"
    assert file.is_symlink() if cache == "symlink" else not os.stat(file).st_mode & 0o222
    assert project.planned() == {}
    project.params(report={"title": "Another"})
    assert jobs(project.snakemake()) == {"report": 1}


def test_dvc_repro_starts_snakemake_which_has_nothing_to_do(project: Project) -> None:
    assert "up to date" in project.dvc("repro")
    project.params(report={"title": "Another"})
    project.dvc("repro")
    assert project.journal() == {"report": 1}
    assert "up to date" in project.dvc("status")


# --- what a change makes again ---------------------------------------------------------------------------------------

Edit = Callable[[Project], None]


def params(**sections: object) -> Edit:
    return lambda project: project.params(**sections)


def text(file: str, old: str, new: str) -> Edit:
    return lambda project: project.edit(file, old, new)


def runs(**changed: object) -> Edit:
    return lambda project: project.params(runs=changed)


CHANGES: dict[str, tuple[Edit, dict[str, int]]] = {
    "evaluation parameter": (params(evaluate={"samples": 8}), {"evaluate": 4, "evaluate_sft": 1, "report": 1}),
    "contamination parameter": (params(contamination={"samples": 3}), {"contamination": 4, "report": 1}),
    "comment": (text("rlpipe/stages/train.py", "def main", "# why\n\n\ndef main"), {}),
    "docstring": (text("rlpipe/stages/train.py", '"""Toy', '"""A toy'), {}),
    "order and layout of params.yaml": (text("params.yaml", "sft:\n", "# warm-up\nsft:\n\n"), {}),
    "code of a stage": (text("rlpipe/stages/train.py", "STEPS = 4", "STEPS = 5"), TRAIN_DOWN),
    "code of a method": (text("rlpipe/methods/grpo.py", "policy_loss=", "reduction=None, policy_loss="), ONE_RUN),
    "code of a method nobody uses": (
        text("rlpipe/methods/dace.py", "def dace(", "def other() -> None: ...\n\n\ndef dace("),
        {},
    ),
    "hyperparameter": (
        runs(grpo={"seeds": [0, 1], "methods": [{"grpo": {"clip": 0.3}}]}),
        ONE_RUN,
    ),
    "shared module": (
        text("rlpipe/models.py", "return hashlib", "parts = tuple(parts)\n    return hashlib"),
        ALL,
    ),
    "task family": (text("rlpipe/tasks/countdown.py", "def words", "def other() -> None: ...\n\n\ndef words"), ALL),
    "the plumbing": (text("rlpipe/work.py", "def fresh", "def other() -> None: ...\n\n\ndef fresh"), {}),
    "one more seed": (runs(grpo={"seeds": [0, 1, 2], "methods": ["grpo"]}), ONE_SEED),
    "one more run with two seeds": (runs(more={"seeds": [0, 1], "methods": ["rloo"]}), ONE_RUN),
    "a run taken out": (
        lambda project: project.edit(
            "params.yaml", "  rloo:\n    seeds:\n    - 0\n    - 1\n", "  rloo:\n    seeds:\n    - 0\n"
        ),
        {"report": 1},
    ),
    "training parameter": (params(train={"learning_rate": 0.1}), TRAIN_DOWN),
    "warm-up parameter": (params(sft={"steps": 7}), {**TRAIN_DOWN, "sft": 1, "evaluate_sft": 1}),
    "what one run overrides": (
        runs(rloo={"seeds": [0, 1], "methods": ["rloo"], "train": {"prompts": 4}}),
        ONE_RUN,
    ),
    "raw data": (lambda project: (project.path / "data/prompts.jsonl").write_text("three\n") and None, ALL),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_makes_again_what_it_is_part_of(edited: Project, change: str) -> None:
    edit, expected = CHANGES[change]
    edit(edited)
    assert edited.planned() == expected


def test_what_comes_out_the_same_stops_the_chain(project: Project) -> None:
    (project.path / "data/prompts.jsonl").write_text("one\n# another remark\ntwo\n")
    assert jobs(project.snakemake()) == ALL
    assert project.journal() == {"curate": 1}
    assert "renewed" in (project.path / "logs/train/grpo/seed-0.log").read_text()
    assert project.planned() == {}
    assert "up to date" in project.dvc("status")


def test_switching_branches_costs_nothing(project: Project) -> None:
    project.git("switch", "-q", "-c", "other")
    project.params(contamination={"samples": 3})
    project.snakemake()
    project.commit("other samples")
    project.git("switch", "-q", "main")
    said = project.snakemake("-n")
    assert jobs(said) == {}
    assert "5 artifacts are recorded but their data is not here" in said
    project.dvc("checkout", "-q")
    said = project.snakemake("-n")
    assert jobs(said) == {}
    assert "recorded" not in said
    project.git("switch", "-q", "other")
    project.dvc("checkout", "-q")
    assert project.planned() == {}


def test_a_partial_pull_asks_for_the_data_it_needs(origin: Project, tmp_path: Path) -> None:
    project = clone(origin, tmp_path / "partial", "results/contamination/grpo/seed-0.dvc", "results/report.dvc")
    project.params(contamination={"samples": 3})
    assert project.planned() == {"contamination": 4, "report": 1}
    said = project.snakemake("results/contamination/grpo/seed-0.done", check=False)
    assert "dvc pull results/curate.dvc" in said
    project.dvc("pull", "results/curate.dvc", "results/sft.dvc", "results/train/grpo/seed-0.dvc")
    project.snakemake("results/contamination/grpo/seed-0.done")
    assert project.journal() == {"contamination": 1}


def test_merging_a_new_seed_and_a_new_run_makes_only_the_report(project: Project) -> None:
    base = (project.path / "params.yaml").read_text()
    for branch, old, new in (
        ("seed", "  grpo:\n    seeds:\n    - 0\n", "  grpo:\n    seeds:\n    - 2\n    - 0\n"),
        ("run", "evaluate:\n", "  more:\n    seeds: [0]\n    methods: [rloo]\nevaluate:\n"),
    ):
        project.git("switch", "-q", "-c", branch, "main")
        project.dvc("checkout", "-q")
        assert (project.path / "params.yaml").read_text() == base
        project.edit("params.yaml", old, new)
        assert jobs(project.snakemake()) == ONE_SEED
        project.commit(branch)
    project.git("merge", "-q", "seed", check=False)  # results/report.dvc and dvc.lock are in conflict
    conflicts = project.git("diff", "--name-only", "--diff-filter=U").split()
    assert "results/report.dvc" in conflicts
    assert set(conflicts) <= {"results/report.dvc", "dvc.lock"}
    project.git("checkout", "-q", "--ours", *conflicts)
    project.commit("merge")
    project.dvc("checkout", "-q")
    assert project.planned() == {"report": 1}


def test_a_study_has_results_of_its_own(project: Project) -> None:
    study = yaml.safe_load((project.path / "params.yaml").read_text())
    study |= {"study": "small", "runs": {"more": {"seeds": [7], "methods": ["rloo"]}}, "evaluate": {"samples": 2}}
    (project.path / "small.yaml").write_text(yaml.safe_dump(study))
    arguments = ("--configfile", "small.yaml")
    assert jobs(project.snakemake(*arguments)) == {**ALL, "train": 1, "evaluate": 1, "contamination": 1}
    assert (project.path / "results/small/report/metrics.json").is_file()
    assert (project.path / "logs/small/train/more/seed-7.log").is_file()
    assert project.planned(*arguments) == {}
    assert project.planned() == {}
    assert (project.path / "results/small/train/more/seed-7.dvc").is_file()
    assert "up to date" in project.dvc("status")


# --- when things go wrong --------------------------------------------------------------------------------------------

FLAG = "results/train/grpo/seed-0.done"


def wait_for(happened: Callable[[], object], seconds: float = 60) -> None:
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
    said = second.communicate(timeout=60)[0]
    assert second.returncode == 0, said
    process.communicate()
    assert "the artifact stands" in log(unrecorded)
    assert unrecorded.journal() == {"train": 1}


def test_control_c_leaves_everything_resumable_and_says_so(unrecorded: Project) -> None:
    before = contents(unrecorded)
    process = training(unrecorded)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[0]
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
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert unrecorded.journal() == {"train": 1}
    assert unrecorded.planned(FLAG) == {"train": 1}


def test_code_edited_during_a_run_stops_later_jobs(unrecorded: Project) -> None:
    process = training(unrecorded, "results/evaluate/grpo/seed-0.done")
    unrecorded.edit("rlpipe/stages/evaluate.py", "0xFFFF", "0xFFFE")
    (unrecorded.path / "gate").touch()
    said = process.communicate(timeout=60)[0]
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
        done = project.call("python", "-m", "rlpipe.stage", "results/sft.done", check=False)
        assert done.returncode == 1
        assert f"input results/curate is damaged: results/curate/prompts.txt {words}" in done.stderr
        assert "dvc checkout --force results/curate.dvc" in done.stderr
    project.dvc("checkout", "--force", "results/curate.dvc")
    project.call("python", "-m", "rlpipe.stage", "results/sft.done")


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
    project.call("python", "-m", "rlpipe.stage", FLAG)
    assert project.journal() == {"train": 1}
    assert not list((project.path / ".rlpipe/work/results/train/grpo").rglob("step.txt"))


def test_undeclared_runs_and_seeds_are_refused(pulled: Project) -> None:
    said = pulled.snakemake("results/train/grpo/seed-9.done", check=False)
    assert "seed 9 of run grpo is not declared: add it to runs.grpo.seeds in params.yaml" in said
    said = pulled.snakemake("results/train/other/seed-0.done", check=False)
    assert "run other is not declared: add it under `runs` in params.yaml, which has grpo, rloo" in said
    done = pulled.call("python", "-m", "rlpipe.stage", "results/train/other/seed-0.done", check=False)
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


def test_reports_and_lint_work_and_a_no_op_costs_little_more_than_snakemake_itself(pulled: Project) -> None:
    pulled.snakemake("--report", "report.zip")
    with zipfile.ZipFile(pulled.path / "report.zip") as report:
        assert any("curve" in name for name in report.namelist())
    assert "Congratulations" in pulled.snakemake("--lint")

    def seconds(*command: str) -> float:
        """Of processor time, so that a busy machine does not count."""
        process = subprocess.Popen(
            command, cwd=pulled.path, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        assert status == 0
        return used.ru_utime + used.ru_stime

    # Parameters, plan and flags take 0.2 s; an import of torch or polars would not fit.
    assert seconds("snakemake", "--cores", "all") < seconds("snakemake", "--version") + 0.6
