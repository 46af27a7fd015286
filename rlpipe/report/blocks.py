"""What a section of the page is made of: prose, figures, tables and pieces of ready HTML, in reading order.

Sections only describe; `page.py` turns them into HTML and `export.py` into files. Nothing here touches a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Prose:
    """A paragraph. `html` is trusted: whoever makes it escapes what comes from outside.

    `kind` is `text`, `note` (small, set apart), `absent` (what is missing and why) or `reading` (how to read what follows).
    """

    html: str
    kind: str = "text"


@dataclass(frozen=True)
class Points:
    """A list of short statements, trusted HTML as in `Prose`."""

    items: Sequence[str]
    kind: str = "plain"


@dataclass(frozen=True)
class Figure:
    """One chart, or small multiples that share a caption.

    `charts` are Vega-Lite specifications whose data is `{"name": ...}`; `data` holds those tables. `panels` names each
    chart above it; `columns` is how many fit side by side on a wide screen. `name` is the file name of the exported
    drawing and table. `caption` is trusted HTML and says how to read it; `alt` is plain text for whom cannot see it.
    """

    name: str
    charts: Sequence[Mapping[str, Any]]
    data: Mapping[str, pl.DataFrame]
    caption: str
    alt: str
    panels: Sequence[str] = ()
    columns: int = 1
    legend: bool = True


@dataclass(frozen=True)
class Cell:
    """A table cell: what is shown, a second line in small type, and what it sorts by.

    `tone` is empty, `mark` (the best, and surely so), `up`, `down` or `dim`.
    """

    text: str
    below: str = ""
    sort: float | str | None = None
    tone: str = ""
    title: str = ""


@dataclass(frozen=True)
class Column:
    """A heading; `hint` explains it on hover; numbers are set right-aligned; `wide` columns hold sentences."""

    heading: str
    hint: str = ""
    number: bool = True
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; the first cell of a row is its heading. `numbers` is what is exported under "
    "`name`."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    caption: str
    numbers: pl.DataFrame | None = None
    sortable: bool = True
    folded: str = ""


@dataclass(frozen=True)
class Html:
    """Markup of its own, with the JSON its script reads."""

    html: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str


Block = Prose | Points | Figure | Table | Html | Heading


@dataclass(frozen=True)
class Section:
    """A part of the page. `summary` is one sentence under the heading; `short` is its name in the contents."""

    id: str
    title: str
    blocks: Sequence[Block]
    summary: str = ""
    short: str = ""

    @property
    def figures(self) -> list[Figure]:
        return [b for b in self.blocks if isinstance(b, Figure)]

    @property
    def tables(self) -> list[Table]:
        return [b for b in self.blocks if isinstance(b, Table)]


def absent(id: str, title: str, why: str, short: str = "") -> Section:
    """A section whose data is not there: its heading and one plain sentence."""
    return Section(id, title, (Prose(why, "absent"),), short=short)
