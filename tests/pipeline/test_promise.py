"""What reruns and what does not, over real clones of a project with toy stages (tests/workflow_toy).

The promise of the workflow: an artifact is made again if and only if something it is made of changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.workflow_toy import Project, clone, jobs

pytest_plugins = "tests.workflow_toy.fixtures"

ALL = {"curate": 1, "sft": 1, "train": 4, "evaluate": 4, "evaluate_sft": 1, "contamination": 4, "report": 1}
TRAIN_DOWN = {"train": 4, "evaluate": 4, "contamination": 4, "report": 1}
ONE_RUN = {"train": 2, "evaluate": 2, "contamination": 2, "report": 1}
ONE_SEED = {"train": 1, "evaluate": 1, "contamination": 1, "report": 1}


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
    "a section search": (params(search={"seeds": 1}), {"search": 2, "search_sft": 1, "report": 1}),
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
    "style sheet of the report": (text("rlpipe/report/page.css", "main{", "main{width:auto;"), {"report": 1}),
    "task family": (text("rlpipe/tasks/countdown.py", "def words", "def other() -> None: ...\n\n\ndef words"), ALL),
    "the plumbing": (text("rlpipe/pipeline/scratch.py", "def fresh", "def other() -> None: ...\n\n\ndef fresh"), {}),
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
    "a run that goes on from another": (
        runs(onward={"seeds": [0], "methods": ["grpo"], "start": "train/rloo"}),
        ONE_SEED,
    ),
    "what a run that others go on from is made of": (
        runs(
            rloo={"seeds": [0, 1], "methods": [{"rloo": {"scale": 0.3}}]},
            onward={"seeds": [0], "methods": ["grpo"], "start": "train/rloo"},
        ),
        {"train": 3, "evaluate": 3, "contamination": 3, "report": 1},
    ),
    "the split of a run": (runs(rloo={"seeds": [0, 1], "methods": ["rloo"], "split": "demonstration"}), ONE_RUN),
    "an environment": (params(environment={"name": "calculator"}), {**TRAIN_DOWN, "evaluate_sft": 1}),
    "code of an environment nobody uses": (
        text("rlpipe/environments/calculator.py", "def value", "def other() -> None: ...\n\n\ndef value"),
        {},
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


def test_a_search_that_is_not_asked_for_is_refused(edited: Project) -> None:
    said = edited.snakemake("-n", "results/search/sft.done", check=False)
    assert "nothing is searched: add a section `search` to params.yaml" in said
    edited.params(search={"seeds": 1})
    said = edited.snakemake("-n", "results/search/grpo/seed-1.done", check=False)
    assert "search/grpo/seed-1 is not asked for" in said
