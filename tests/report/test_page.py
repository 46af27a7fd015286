"""The page as a whole: self-contained, complete, the same bytes for the same artifacts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import polars as pl
import pytest
from altair.vegalite.v6.schema.core import load_schema
from jsonschema import Draft7Validator, ValidationError

from rlpipe.report.blocks import Cell, Column, Prose, Section, Table
from rlpipe.report.charts import Colours
from rlpipe.report.export import drawings
from rlpipe.report.inputs import Data
from rlpipe.report.markup import interval, listing, number, p_value, script_json, seconds, significant
from rlpipe.report.page import render
from rlpipe.report.palette import DARK, LIGHT
from rlpipe.report.report import build
from rlpipe.report.settings import ReportSettings
from tests.report.conftest import Made

ORDER = ["overview", "comparison", "curves", "pass-at-k", "entropy-law", "levels", "contamination", "support"]
ORDER += ["diversity", "search", "trust", "rollouts", "provenance"]
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Checker(HTMLParser):
    """Collects ids, links and unbalanced tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.sources: list[str] = []
        self.images: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []  # type: ignore[list-item]
        self.anchors += [values["href"][1:]] if (values.get("href") or "").startswith("#") else []  # type: ignore[index]
        self.sources += [v for k, v in attrs if k in ("src", "href") and v and not v.startswith("#")]
        if values.get("class") == "chart":
            self.images.append(values)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def parsed(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    return checker


SCHEMA = Draft7Validator(load_schema())


def validate(spec: Mapping[str, Any]) -> None:
    """Against the schema of the Vega-Lite version that Altair writes."""
    SCHEMA.validate(dict(spec))


def payload(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="page">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_is_whole_and_self_contained(made: Made) -> None:
    checker = parsed(made.page)
    assert checker.wrong == []
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert set(checker.anchors) <= set(checker.ids)
    assert checker.sources == []
    assert "default-src 'none'" in made.page
    assert "@import" not in made.page
    assert len(made.page.encode()) < 4_000_000


def test_sections_stand_in_reading_order(made: Made) -> None:
    assert list(made.sections) == ORDER
    places = [made.page.index(f'id="{name}"') for name in ORDER]
    assert places == sorted(places)


def test_every_chart_has_a_description_and_its_data(made: Made) -> None:
    checker, page = parsed(made.page), payload(made.page)
    assert len(checker.images) == len(page["charts"]) >= 25
    assert all(len(image["data-alt"] or "") > 20 for image in checker.images)
    named = set(re.findall(r'"data":{"name":"([^"]+)"', json.dumps(page["charts"], separators=(",", ":"))))
    assert named <= set(page["datasets"])
    for name in named:
        lengths = {len(column) for column in page["datasets"][name].values()}
        assert len(lengths) == 1, name


def test_every_chart_is_valid_vega_lite(made: Made) -> None:
    checked = 0
    for section in made.sections.values():
        for figure in section.figures:
            for spec in [figure.charts[0], *figure.charts[1::4]]:
                validate(spec)
                checked += 1
    assert checked >= 10
    with pytest.raises(ValidationError):
        validate({**figure.charts[0], "width": "no width"})


def test_the_charting_library_is_inside_once(made: Made) -> None:
    assert made.page.count("window.vegaEmbed") == 1


def test_equal_artifacts_give_equal_bytes(made: Made, settings: ReportSettings) -> None:
    data = Data(dict(reversed(made.inputs.items())), settings)
    head, *sections = build(data)
    assert render(settings.title, head, sections, data.colours) == made.page
    figure = next(figure for section in sections for figure in section.figures if figure.name == "levels")
    for name, svg in drawings(figure):
        assert (made.out / "figures" / f"{name}.svg").read_text(encoding="utf-8") == svg


def test_figures_and_their_numbers_are_files(made: Made) -> None:
    for section in made.sections.values():
        for figure in section.figures:
            names = (
                [figure.name]
                if len(figure.charts) == 1
                else [f"{figure.name}-{i + 1}" for i in range(len(figure.charts))]
            )
            for name in names:
                svg = (made.out / "figures" / f"{name}.svg").read_text(encoding="utf-8")
                assert svg.startswith("<svg")
                assert "var(--" not in svg
            for name, frame in figure.data.items():
                assert pl.read_parquet(made.out / "tables" / f"{name}.parquet").equals(frame)
        for table in section.tables:
            assert table.numbers is None or (made.out / "tables" / f"{table.name}.parquet").is_file()


@pytest.mark.parametrize(
    ("kept", "absent"),
    [
        ((), {"comparison", "curves", "pass-at-k", "entropy-law", "levels", "contamination", "support", "diversity",
              "search", "trust", "rollouts", "provenance"}),
        (("curate", "sft"), {"comparison", "curves", "pass-at-k", "entropy-law", "levels", "contamination", "support",
                             "diversity", "search", "trust", "rollouts"}),
        (("sft", "evaluate/sft"), {"curves", "entropy-law", "levels", "contamination", "support"}),
        (("train/grpo/seed-0",), {"comparison", "pass-at-k", "levels", "contamination", "support", "diversity", "search",
                                  "trust"}),
        (("evaluate/grpo/seed-0",), {"curves", "entropy-law", "contamination", "support"}),
        (("evaluate/sft", "evaluate/grpo/seed-0", "train/grpo/seed-0"), {"contamination"}),
        (("contamination/grpo/seed-1",), {"comparison", "curves", "pass-at-k", "entropy-law", "levels", "support",
                                          "diversity", "search", "trust", "rollouts"}),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_a_sentence(
    made: Made, settings: ReportSettings, kept: tuple[str, ...], absent: set[str]
) -> None:
    data = Data({name: made.inputs[name] for name in kept}, settings)
    head, *sections = build(data)
    page = render("Title", head, sections, data.colours)
    assert parsed(page).wrong == []
    said = {s.id for s in sections if len(s.blocks) == 1 and getattr(s.blocks[0], "kind", "") == "absent"}
    assert said == absent


def test_names_and_texts_cannot_break_out_of_the_page() -> None:
    hostile = '</script><script>alert(1)</script>"\u2028'
    assert "</script>" not in script_json({"x": hostile})
    assert json.loads(script_json({"x": hostile})) == {"x": hostile}
    colours = Colours([hostile], "warm-up")
    page = render(hostile, Section("a", hostile, [Prose("x")]), [Section("b", hostile, [Prose("y")])], colours)
    assert "alert(1)</script>" not in page


def test_a_table_sorts_by_what_its_cells_say() -> None:
    table = Table(
        "t", [Column("Run", number=False), Column("x")], [[Cell("a"), Cell("1.2", "low", 1.25, "mark")]], "Caption"
    )
    page = render("T", Section("a", "A", []), [Section("b", "B", [table])], Colours([], "warm-up"))
    assert '<td class="n mark" data-sort="1.25"><span>1.2</span><small>low</small></td>' in page
    assert '<th scope="row">a</th>' in page


def test_numbers_as_a_reader_expects_them() -> None:
    assert number(-0.0312, 2) == "\u22120.03"
    assert number(-0.0001, 2) == "0.00"
    assert number(0.25, 2, sign=True) == "+0.25"
    assert number(float("nan")) == number(None) == "\u2013"
    assert interval(0.1, 0.25, 2) == "0.10 to 0.25"
    assert interval(None, 0.2) == ""
    assert p_value(0.00004) == "p &lt;\u202f0.001"
    assert p_value(0.0312) == "p =\u202f0.031"
    assert p_value(0.0031, bound=True) == "p &le;\u202f0.003"
    assert p_value(0.52) == "p =\u202f0.52"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert [seconds(x) for x in (4.04, 62, 125, 9000)] == ["4.0 s", "62 s", "2.1 min", "2.5 h"]
    assert significant(0.000123) == "0.00012"
    assert significant(0.0000123).startswith("1.2\u00d710")


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_can_be_told_from_the_background(colours: dict[str, str]) -> None:
    assert set(colours) == set(LIGHT)
    for name, colour in colours.items():
        if name.startswith("run-") or name == "before":
            assert contrast(colour, colours["paper"]) >= 3, name
        if name in ("ink", "soft", "accent", "good", "bad"):
            assert contrast(colour, colours["paper"]) >= 4.5, name
