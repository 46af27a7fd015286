"""Colours. Charts and page refer to them as CSS variables, so dark mode and print need no second drawing.

Run colours start from Okabe and Ito's set for colour-blind readers (jfly.uni-koeln.de/color), each in a light and a dark
variant with a contrast of at least 3 to its background; runs beyond eight repeat the colours with another dash.
"""

from __future__ import annotations

from typing import Any

LIGHT = {
    "paper": "#ffffff", "card": "#f6f7f8", "ink": "#1c2126", "soft": "#59626c", "faint": "#8a939c", "rule": "#dfe3e7",
    "grid": "#eceff1", "accent": "#0b63a8", "good": "#1a7f4b", "bad": "#b3361b", "mark": "#fff3c9", "before": "#6b747d",
    "run-1": "#0b6bb5", "run-2": "#cf5708", "run-3": "#00835f", "run-4": "#ae4391", "run-5": "#8d6a00",
    "run-6": "#2a8db8", "run-7": "#7256c4", "run-8": "#b0313f",
    "heat-0": "#f1f4f7", "heat-1": "#d8e6f1", "heat-2": "#b4d0e6", "heat-3": "#86b4d6", "heat-4": "#5694c2",
    "heat-5": "#2f73a8", "heat-6": "#145287", "h5-ink": "#fff", "h6-ink": "#fff",
}  # fmt: skip
DARK = {
    "paper": "#101418", "card": "#181d23", "ink": "#e4e8ec", "soft": "#a3adb7", "faint": "#757f89", "rule": "#2b323a",
    "grid": "#212830", "accent": "#6db3ee", "good": "#5cc48d", "bad": "#f08a6c", "mark": "#4a3e12", "before": "#98a2ac",
    "run-1": "#5aa9ea", "run-2": "#f58a45", "run-3": "#3cc79b", "run-4": "#e287c6", "run-5": "#d8b13e",
    "run-6": "#86cdee", "run-7": "#b09bf2", "run-8": "#f27a83",
    "heat-0": "#1c232b", "heat-1": "#1f3447", "heat-2": "#234a68", "heat-3": "#2b648e", "heat-4": "#3f83b5",
    "heat-5": "#66a7d6", "heat-6": "#a0cff0", "h5-ink": "#0b1015", "h6-ink": "#0b1015",
}  # fmt: skip
NUM_RUN_COLOURS = 8
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
BEFORE = "before"


def slot(index: int) -> str:
    """Name of the colour of the run at this position."""
    return f"run-{index % NUM_RUN_COLOURS + 1}"


def dash(index: int) -> list[int]:
    """Dash of the run at this position: solid for the first eight."""
    return DASHES[index // NUM_RUN_COLOURS % len(DASHES)]


def css(name: str) -> str:
    """The colour as charts and style sheets write it."""
    return f"var(--{name})"


def resolve(value: Any, colours: dict[str, str] = LIGHT) -> Any:
    """A chart specification with every CSS variable replaced by its colour, for drawings outside the page."""
    if isinstance(value, str) and value.startswith("var(--") and value.endswith(")"):
        return colours[value[6:-1]]
    if isinstance(value, dict):
        return {key: resolve(item, colours) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, colours) for item in value]
    return value


def custom_properties(font: str) -> str:
    """Font and colours as the style sheet refers to them: light by default, dark where the reader's system is."""
    light, dark = (_declarations(colours) for colours in (LIGHT, DARK))
    return (
        f":root{{color-scheme:light dark;--font:{font};{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )


def _declarations(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
