"""Projects to try things in, from one that has run to copies that may be broken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow_toy import SERVER, Project, clone, create


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("promise")
    SERVER.close()


@pytest.fixture(scope="session")
def origin(shelf: Path) -> Project:
    """Run once from nothing, recorded, committed and pushed."""
    project = create(shelf / "origin")
    project.dvc("remote", "add", "-d", "storage", str(shelf / "storage"))
    project.snakemake()
    assert project.journal() == {"curate": 1, "sft": 1, "train": 4, "evaluate": 5, "contamination": 4, "report": 1}
    project.commit("everything")
    project.dvc("push")
    return project


@pytest.fixture(scope="session")
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
