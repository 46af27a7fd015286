"""Every shipped study runs to its report: real Snakefile, all of its runs, every size as small as it goes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workflow_toy import ENVIRONMENT, HOME

STUDIES = sorted((HOME / "studies").glob("*.yaml"))
TINY = yaml.safe_load((HOME / "tests/params.tiny.yaml").read_text())


def shrunk(study: dict[str, Any]) -> dict[str, Any]:
    """The study's runs with one seed each, on the sizes of the tiny pipeline; everything else as the study has it."""
    runs = {name: {**run, "seeds": run["seeds"][:1]} for name, run in study["runs"].items()}
    for run in runs.values():
        if "plant" in run:
            run["plant"] = {"members": 4, "epochs": min(run["plant"]["epochs"], 2)}
    sections = {name: {**study.get(name, {}), **TINY[name]} for name in TINY if name not in ("study", "runs", "curate")}
    return {**study, **sections, "curate": TINY["curate"], "runs": runs}


def snakemake(project: Path, *arguments: str) -> str:
    env = {**ENVIRONMENT, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"}
    command = ["snakemake", "--cores", "all", *arguments]
    done = subprocess.run(command, cwd=project, env=env, text=True, capture_output=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda path: path.stem)
def test_runs_to_its_report_and_has_nothing_to_do_after(study: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", str(HOME), str(project)], check=True, env=ENVIRONMENT)
    settings = shrunk(yaml.safe_load(study.read_text()))
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(settings))
    snakemake(project, "--configfile", str(tmp_path / "study.yaml"))
    assert "Nothing to be done" in snakemake(project, "--configfile", str(tmp_path / "study.yaml"))
    (report,) = (project / "results").rglob("report.html")
    assert all(name in report.read_text() for name in settings["runs"])
