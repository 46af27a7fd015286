"""The report as a whole: which sections, in which order, and what is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from rlpipe.report import export
from rlpipe.report.blocks import Section
from rlpipe.report.data import Data
from rlpipe.report.page import render
from rlpipe.report.sections import overview, curves, rollouts, provenance
from rlpipe.report.settings import ReportSettings

SECTIONS: tuple[ModuleType, ...] = (curves, rollouts, provenance)


def write_report(
    inputs: Mapping[str, Path], out: Path, settings: ReportSettings, params: Mapping[str, Any] | None = None
) -> list[Section]:
    """Write `report.html`, `figures/*.svg` and `tables/*.parquet` under `out`; returns the sections.

    `inputs` are artifact directories by name, as many as there are; a section without its data says so.
    Raises: ArtifactError if a table is there and has another schema than it should.
    """
    data = Data(inputs, settings, params)
    head, sections = overview.build(data), [module.build(data) for module in SECTIONS]
    (out / "report.html").write_text(render(settings.title, head, sections, data.colours), encoding="utf-8")
    export.write(sections, out)
    return sections
