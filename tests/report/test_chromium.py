"""The page in a real browser: every chart drawn, nothing on the console, nothing wider than a phone."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.report.conftest import Made

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", "--allow-file-access-from-files", "--enable-logging=stderr"]
CONSOLE = re.compile(r"CONSOLE(?:[:(]\d+\)?)?\]? ?(.*)")

# In a frame as wide as a phone; what is measured is left in the document.
FRAME = """<!doctype html><iframe id="f" width="390" height="844" src="{page}"></iframe><script>
const frame = document.getElementById("f");
frame.addEventListener("load", () => setInterval(() => {{
  const page = frame.contentDocument, root = page.documentElement;
  document.body.dataset.width = root.scrollWidth;
  document.body.dataset.drawn = root.dataset.drawn || "";
  const box = page.getElementById("browser");
  document.body.dataset.tokens = box ? box.querySelectorAll(".tokens span").length : 0;
}}, 50));
</script>"""


def browse(url: str, profile: Path, *more: str) -> tuple[str, list[str]]:
    """The document after its scripts have run, and what they wrote to the console."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--virtual-time-budget=20000", *more, "--dump-dom", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    lines = [found[1] for line in done.stderr.splitlines() if (found := CONSOLE.search(line))]
    return done.stdout, lines


def test_every_chart_is_drawn_and_the_console_stays_silent(made: Made, tmp_path: Path) -> None:
    document, console = browse((made.out / "report.html").as_uri(), tmp_path)
    charts = sum(len(figure.charts) for section in made.sections.values() for figure in section.figures)
    assert f'data-drawn="{charts}"' in document
    assert "could not be drawn" not in re.sub(r"<script.*?</script>", "", document, flags=re.DOTALL)
    assert console == []


def test_it_fits_a_phone(made: Made, tmp_path: Path) -> None:
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page=(made.out / "report.html").as_uri()))
    document, _ = browse(frame.as_uri(), tmp_path / "profile")
    found = {key: re.search(rf'data-{key}="(\d+)"', document) for key in ("width", "drawn", "tokens")}
    assert all(found.values()), document[-500:]
    width, drawn, tokens = (int(match[1]) for match in found.values() if match)
    assert width <= 390
    assert drawn > 0
    assert tokens > 10


def test_the_console_check_can_fail(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><script>undefinedFunction()</script>")
    _, console = browse(page.as_uri(), tmp_path / "profile")
    assert any("undefinedFunction" in line for line in console)
