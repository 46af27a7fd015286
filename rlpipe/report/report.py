"""The report as a whole: which sections, in which order, and what is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from altair.utils.schemapi import debug_mode

from rlpipe.report import export
from rlpipe.report.blocks import Section
from rlpipe.report.inputs import Data
from rlpipe.report.measures import Measured
from rlpipe.report.page import render
from rlpipe.report.sections import (
    comparison,
    contamination,
    curves,
    diversity,
    entropy_law,
    levels,
    overview,
    pass_at_k,
    provenance,
    rollouts,
    search,
    search_tokens,
    support,
    trust,
)
from rlpipe.report.settings import ReportSettings


def write_report(
    inputs: Mapping[str, Path], out: Path, settings: ReportSettings, params: Mapping[str, Any] | None = None
) -> list[Section]:
    """Write `report.html`, `figures/*.svg` and `tables/*.parquet` under `out`; returns the sections, the head first.

    `inputs` are artifact directories by name, as many as there are; a section without its data says so.
    Raises: ArtifactError if a table is there and has another schema than it should.
    """
    data = Data(inputs, settings, params)
    head, *sections = build(data)
    (out / "report.html").write_text(render(settings.title, head, sections, data.colours), encoding="utf-8")
    export.write(sections, out)
    return [head, *sections]


def build(data: Data) -> list[Section]:
    """The sections in reading order; the first stands under the title."""
    measured = Measured(data)
    with debug_mode(False):  # charts are validated by a test; doing so each time takes longer than making them
        return [
            overview.build(data),
            comparison.build(data, measured),
            curves.build(data),
            pass_at_k.build(data, measured),
            entropy_law.build(data),
            levels.build(data, measured),
            contamination.build(data, measured),
            support.build(data, measured),
            diversity.build(data, measured),
            search.build(data, measured),
            trust.build(data, measured),
            *search_tokens.build(data),
            rollouts.build(data),
            provenance.build(data),
        ]
