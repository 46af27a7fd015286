"""One small pipeline of synthetic artifacts and its report, made once and read by all tests of the folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from rlpipe.report.blocks import Section
from rlpipe.report.inputs import Data
from rlpipe.report.measures import Measured
from rlpipe.report.report import write_report
from rlpipe.report.settings import ReportSettings
from tests.report import synthetic, synthetic_rows


class Made(NamedTuple):
    """The inputs, what was written, and the page as text."""

    inputs: dict[str, Path]
    out: Path
    sections: dict[str, Section]
    page: str


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return synthetic.pipeline(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def settings() -> ReportSettings:
    return ReportSettings.model_validate(synthetic.params(synthetic_rows.Size())["report"])


@pytest.fixture(scope="session")
def made(inputs: dict[str, Path], settings: ReportSettings, tmp_path_factory: pytest.TempPathFactory) -> Made:
    out = tmp_path_factory.mktemp("report")
    sections = write_report(inputs, out, settings)
    page = (out / "report.html").read_text(encoding="utf-8")
    return Made(inputs, out, {section.id: section for section in sections}, page)


@pytest.fixture(scope="session")
def data(inputs: dict[str, Path], settings: ReportSettings) -> Data:
    return Data(inputs, settings)


@pytest.fixture(scope="session")
def measured(data: Data) -> Measured:
    return Measured(data)
