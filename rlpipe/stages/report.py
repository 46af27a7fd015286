"""Stage report: the page, its figures and its tables, from everything that was made."""

from __future__ import annotations

from rlpipe.pipeline.stage import Context
from rlpipe.report.report import write_report
from rlpipe.report.settings import ReportSettings


def main(ctx: Context) -> None:
    """`report.html`, `figures/*.svg` and `tables/*.parquet`."""
    settings = ReportSettings.model_validate(ctx.params["report"])
    sections = write_report(ctx.inputs, ctx.out, settings, ctx.params)
    figures = sum(len(section.figures) for section in sections)
    print(f"{ctx.out / 'report.html'}: {len(sections)} sections, {figures} figures")
