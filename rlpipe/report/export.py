"""What stands behind the page as files: every figure as an SVG drawing, every table of numbers as Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from rlpipe.report.blocks import Figure, Section
from rlpipe.report.charts import standalone
from rlpipe.report.page import records


def write(sections: Sequence[Section], out: Path) -> None:
    """`figures/<name>.svg` (with `-1`, `-2`, ... for the panels of small multiples) and `tables/<name>.parquet`.

    Deterministic: equal numbers give equal bytes with one version of the libraries.
    """
    (out / "figures").mkdir(parents=True, exist_ok=True)
    (out / "tables").mkdir(parents=True, exist_ok=True)
    for section in sections:
        for figure in section.figures:
            for name, svg in drawings(figure):
                (out / "figures" / f"{name}.svg").write_text(svg, encoding="utf-8")
        for name, frame in numbers(section):
            frame.write_parquet(out / "tables" / f"{name}.parquet", compression="zstd")


def drawings(figure: Figure) -> Iterator[tuple[str, str]]:
    """The figure's charts as SVG, in the light colours."""
    import vl_convert

    rows = {name: records(frame) for name, frame in figure.data.items()}
    for i, spec in enumerate(figure.charts):
        name = figure.name if len(figure.charts) == 1 else f"{figure.name}-{i + 1}"
        yield name, str(vl_convert.vegalite_to_svg(standalone(spec, rows)))


def numbers(section: Section) -> Iterator[tuple[str, pl.DataFrame]]:
    """Tables by file name."""
    for figure in section.figures:
        yield from figure.data.items()
    for table in section.tables:
        if table.numbers is not None:
            yield table.name, table.numbers
