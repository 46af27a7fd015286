"""Sections -> one HTML page that opens from disk: no request leaves it, the charting library is inside it once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from rlpipe.report.blocks import Block, Cell, Column, Figure, Heading, Html, Points, Prose, Section, Table
from rlpipe.report.charts import CONFIG, FONT, Colours
from rlpipe.report.markup import escape, script_json
from rlpipe.report.palette import css, custom_properties

# Vega compiles its expressions with `Function`, hence unsafe-eval; nothing may be fetched from anywhere.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data:"


def render(title: str, head: Section, sections: Sequence[Section], colours: Colours) -> str:
    """The whole page; `head` stands under the title. Equal arguments give equal bytes."""
    collected = Collected(colours)
    top = "".join(collected.block(block) for block in head.blocks)
    body = "".join(collected.section(section) for section in sections)
    payload = {"charts": collected.charts, "datasets": collected.datasets, "config": CONFIG, **collected.payloads}
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{custom_properties(FONT)}{file('page.css')}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#content">To the content</a>\n'
        f'<div class="layout">{_contents([head, *sections])}\n<main id="content">\n'
        f'<header class="top" id="{head.id}"><h1>{escape(title)}</h1>{top}</header>\n{body}'
        "<footer>Made by rlpipe. This page loads nothing from the network.</footer>\n</main></div>\n"
        f'<script type="application/json" id="page">{script_json(payload)}</script>\n'
        f"<script>{library() if collected.charts else ''}</script>\n<script>\n{file('page.js')}</script>\n"
        + (f"<script>\n{file('browser.js')}</script>\n" if "rollouts" in collected.payloads else "")
        + "</body>\n</html>\n"
    )


def file(name: str) -> str:
    """A style sheet or script beside this module."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without imports."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def columnar(frame: pl.DataFrame) -> dict[str, list[Any]]:
    """A table as columns of JSON values; numbers keep 6 significant figures, what is not finite becomes null."""
    return {name: [_json(value) for value in frame[name].to_list()] for name in frame.columns}


def records(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The same as rows."""
    columns = columnar(frame)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _json(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        value = float(f"{value:.6g}")
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    return value


def _contents(sections: Sequence[Section]) -> str:
    items = "".join(f'<li><a href="#{s.id}">{escape(s.short or s.title)}</a></li>' for s in sections)
    folded = f"<details open><summary>Contents</summary><ol>{items}</ol></details>"
    return f'<nav class="contents" aria-label="Contents">{folded}</nav>'


class Collected:
    """What the sections bring to the page's JSON while they are turned into HTML, and the numbers of figures and "
    "tables."""

    def __init__(self, colours: Colours):
        self.colours = colours
        self.charts: dict[str, Mapping[str, Any]] = {}
        self.datasets: dict[str, dict[str, list[Any]]] = {}
        self.payloads: dict[str, Any] = {}
        self.figures = self.tables = 0

    def section(self, section: Section) -> str:
        summary = f'<p class="summary">{section.summary}</p>' if section.summary else ""
        body = "\n".join(self.block(block) for block in section.blocks)
        label = f"{section.id}-title"
        return (
            f'<section id="{section.id}" aria-labelledby="{label}"><h2 id="{label}">{escape(section.title)}</h2>'
            f"{summary}\n{body}\n</section>\n"
        )

    def block(self, block: Block) -> str:
        match block:
            case Prose():
                return f'<p class="{block.kind}">{block.html}</p>'
            case Points():
                return f'<ul class="points {block.kind}">{"".join(_point(item) for item in block.items)}</ul>'
            case Heading():
                return f"<h3>{escape(block.text)}</h3>"
            case Html():
                self.payloads.update(block.payload)
                return block.html
            case Figure():
                return self.figure(block)
            case Table():
                return self.table(block)

    def figure(self, figure: Figure) -> str:
        self.figures += 1
        for name, frame in figure.data.items():
            self.datasets[name] = columnar(frame)
        panels = "".join(self._panels(figure))
        tables = " ".join(sorted(figure.data))
        legend = self._legend() if figure.legend else ""
        return (
            f'<figure id="figure-{figure.name}">{legend}'
            f'<div class="panels" style="--columns:{figure.columns};--narrow:{min(figure.columns, 2)}">{panels}</div>'
            f"<figcaption><b>Figure {self.figures}.</b> {figure.caption}"
            f'<details class="numbers" data-tables="{escape(tables)}"><summary>Numbers</summary></details>'
            "</figcaption></figure>"
        )

    def _panels(self, figure: Figure) -> Iterator[str]:
        for i, spec in enumerate(figure.charts):
            chart = f"{figure.name}-{i}"
            self.charts[chart] = spec
            title = figure.panels[i] if i < len(figure.panels) else ""
            heading = f"<h4>{title}</h4>" if title else ""
            alt = f"{_plain(title)}: {figure.alt}" if title else figure.alt
            height = spec.get("height", 200)
            floor = f"min-height:{height}px" if isinstance(height, int) else ""
            yield (
                f'<div class="panel">{heading}<div class="chart" id="{chart}" data-chart="{chart}" '
                f'data-alt="{escape(alt)}" '
                f'style="{floor}"><noscript>This chart needs JavaScript; figures/ holds it as a '
                "drawing.</noscript></div></div>"
            )

    def _legend(self) -> str:
        buttons = []
        for run, slot in self.colours.slots.items():
            dash = "dashed" if self.colours.dashes[run][1] else "solid"
            buttons.append(
                f'<button type="button" data-run="{escape(run)}" aria-pressed="false" '
                f'style="--c:{css(slot)};--dash:{dash}">'
                f"<i aria-hidden='true'></i>{escape(run)}</button>"
            )
        label = "Runs; press one to highlight it in all charts"
        return f'<div class="legend" role="group" aria-label="{label}">{"".join(buttons)}</div>'

    def table(self, table: Table) -> str:
        self.tables += 1
        head = "".join(_heading(column, table.sortable) for column in table.columns)
        body = "".join(f"<tr>{''.join(_cells(row, table.columns))}</tr>" for row in table.rows)
        kind = ' class="sortable"' if table.sortable else ""
        label = f"Table {self.tables}"
        caption = f"caption-{table.name}"
        html = (
            f'<figure class="table"><figcaption id="{caption}"><b>{label}.</b> {table.caption}</figcaption>'
            f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table{kind} id="table-{table.name}" '
            f'aria-describedby="{caption}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></figure>'
        )
        if table.folded:
            return f"<details><summary>{escape(table.folded)}</summary>{html}</details>"
        return html


def _point(item: str) -> str:
    """A list item; one that starts with a run's name takes its colour."""
    colour = re.match(r'<span class="run" style="(--c:[^"]*)"', item)
    return f'<li style="{colour[1]}">{item}</li>' if colour else f"<li>{item}</li>"


def _plain(html: str) -> str:
    """Text without its tags."""
    return re.sub(r"<[^>]*>", "", html)


def _heading(column: Column, sortable: bool) -> str:
    number = ' class="n"' if column.number else ' class="w"' if column.wide else ""
    text = escape(column.heading)
    label = f'<abbr title="{escape(column.hint)}">{text}</abbr>' if column.hint else text
    if sortable:
        return f'<th scope="col"{number} aria-sort="none"><button type="button">{label}</button></th>'
    return f'<th scope="col"{number}>{label}</th>'


def _cells(row: Sequence[Cell], columns: Sequence[Column]) -> Iterator[str]:
    for i, (cell, column) in enumerate(zip(row, columns, strict=True)):
        tag = "th" if i == 0 else "td"
        classes = " ".join(
            part for part in ("n" if column.number and i else "", "w" if column.wide else "", cell.tone) if part
        )
        attributes = ' scope="row"' if i == 0 else ""
        attributes += f' class="{classes}"' if classes else ""
        attributes += f' data-sort="{escape(cell.sort)}"' if cell.sort is not None else ""
        attributes += f' title="{escape(cell.title)}"' if cell.title else ""
        below = f"<small>{cell.below}</small>" if cell.below else ""
        text = f"<span>{cell.text}</span>" if cell.tone == "mark" else cell.text
        yield f"<{tag}{attributes}>{text}{below}</{tag}>"
