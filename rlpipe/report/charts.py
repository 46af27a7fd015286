"""Chart parts that several sections share: the look, the colour of a run, and how highlighting works.

Every chart has a parameter `chosen`, the name of the highlighted run or an empty string; the page sets it in all charts
at once. Charts fill their container, name their data and leave its rows to the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from rlpipe.report.palette import BEFORE, css, dash, resolve, slot

FONT = 'Inter, ui-sans-serif, system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif'
CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "domainColor": css("rule"),
        "tickColor": css("rule"),
        "gridColor": css("grid"),
        "labelColor": css("soft"),
        "titleColor": css("soft"),
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 6,
        "labelPadding": 4,
        "labelFlush": True,
        "labelOverlap": "greedy",
    },
    "axisX": {"grid": False},
    "axisY": {"domain": False, "ticks": False, "tickCount": 5},
    "text": {"color": css("soft"), "fontSize": 11},
    "legend": {"labelColor": css("soft"), "titleColor": css("soft"), "labelFontSize": 11, "titleFontSize": 11},
}
CHOSEN = "chosen == '' || datum.run == chosen"


class Colours:
    """The colour and dash of every run, the same in every chart of the page. `before` is the warm-up policy's name."""

    def __init__(self, runs: Sequence[str], before: str):
        self.runs, self.before = list(runs), before
        self.slots = {before: BEFORE} | {run: slot(i) for i, run in enumerate(runs)}
        self.dashes = {before: [4, 3]} | {run: dash(i) for i, run in enumerate(runs)}

    def color(self, field: str = "run") -> alt.Color:
        """A run's colour; no legend, as the page has one."""
        return alt.Color(f"{field}:N", scale=self._scale(), legend=None)

    def stroke(self, field: str = "run") -> alt.Stroke:
        """The same for the outline of a hollow mark."""
        return alt.Stroke(f"{field}:N", scale=self._scale(), legend=None)

    def _scale(self) -> alt.Scale:
        domain = list(self.slots)
        return alt.Scale(domain=domain, range=[css(self.slots[name]) for name in domain])

    def stroke_dash(self, field: str = "run") -> alt.StrokeDash:
        domain = list(self.dashes)
        scale = alt.Scale(domain=domain, range=[self.dashes[name] for name in domain])
        return alt.StrokeDash(f"{field}:N", scale=scale, legend=None)


def highlight() -> alt.Parameter:
    """The parameter behind the legend."""
    return alt.param(name="chosen", value="")


def opacity(full: float = 1.0, faint: float = 0.12) -> Any:
    """Full for the highlighted run, or for all when none is."""
    return alt.when(CHOSEN).then(alt.value(full)).otherwise(alt.value(faint))


def interval_tooltip(*fields: str, value: str, format: str = ".3f") -> list[alt.Tooltip]:
    """The fields, then the value by its name and its bounds."""
    numbers = (("value", value), ("ci_lo", "from"), ("ci_hi", "to"))
    return [*map(alt.Tooltip, fields), *(alt.Tooltip(f"{f}:Q", title=t, format=format) for f, t in numbers)]


def interval_dots(
    base: alt.Chart,
    colours: Colours,
    places: Sequence[Any],
    tooltip: Sequence[alt.Tooltip],
    bar: tuple[float, float, float],
    size: int,
    hollow: Mapping[str, Any],
) -> list[alt.Chart]:
    """Bars of intervals, hollow dots of the policy before training, and filled dots of the runs.

    `places`: x, y and offset. `bar`: its width, its opacity, and that while another run is highlighted.
    """
    (x, *rest), (width, full, faint), run = places, bar, alt.datum.run
    bounds = (alt.X("ci_lo:Q", axis=alt.Axis(title=None)), alt.X2("ci_hi:Q"))
    before = base.transform_filter(run == colours.before).mark_point(
        size=size, fill="var(--paper)", opacity=1, **hollow
    )
    after = base.transform_filter(run != colours.before).mark_point(size=size, filled=True, opacity=1)
    shown = {"tooltip": list(tooltip), "opacity": opacity()}
    return [
        base.mark_rule(strokeWidth=width).encode(*bounds, *rest, colours.color(), opacity=opacity(full, faint)),
        before.encode(x, *rest, colours.stroke(), **shown),
        after.encode(x, *rest, colours.color(), **shown),
    ]


def powers_axis(values: Sequence[int], title: str = "k, number of rollouts (log scale)") -> alt.X:
    """An axis of k in powers of two."""
    return alt.X(
        "k:Q",
        scale=alt.Scale(type="log", base=2, nice=False, domain=[values[0], max(values[-1], 2)]),
        axis=alt.Axis(values=list(values), title=title, format="d"),
    )


def specification(chart: Any, height: int = 220) -> dict[str, Any]:
    """A chart as Vega-Lite, as wide as its container. Not validated here: a test validates every chart of a page."""
    spec: dict[str, Any] = chart.properties(width="container", height=height).to_dict(validate=False)
    spec.pop("config", None)
    spec.pop("datasets", None)
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    return spec


def standalone(
    spec: Mapping[str, Any], datasets: Mapping[str, list[dict[str, Any]]], width: int = 420
) -> dict[str, Any]:
    """The chart with its data, its look and fixed colours, for a drawing outside the page."""
    whole = {**spec, "datasets": dict(datasets), "width": width, "config": CONFIG, "background": css("paper")}
    whole["config"] = {key: value for key, value in CONFIG.items() if key != "background"}
    return dict(resolve(whole))
