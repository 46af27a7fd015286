"""Toy."""

from __future__ import annotations

import json

from rlpipe.models import journal
from rlpipe.pipeline.stage import Context
from rlpipe.report.palette import LIGHT


def main(ctx: Context) -> None:
    journal("report")
    found = {name: path / "metrics.json" for name, path in ctx.inputs.items() if name.startswith("evaluate")}
    values = {name: json.loads(file.read_text())["pass@1"] for name, file in sorted(found.items())}
    (ctx.out / "metrics.json").write_text(json.dumps(values, indent=1))
    (ctx.out / "report.html").write_text(f"<!doctype html><title>Toy</title><pre>{json.dumps(values, indent=1)}</pre>")
    (ctx.out / "figures").mkdir()
    (ctx.out / "figures" / "curve.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><path d="M0 20 L40 0" stroke="{LIGHT["ink"]}"/></svg>'
    )
