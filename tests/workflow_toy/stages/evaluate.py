"""Toy."""

from __future__ import annotations

import json

from rlpipe.models import digest, journal, load
from rlpipe.pipeline.stage import Context


def main(ctx: Context) -> None:
    (policy,) = [path for name, path in ctx.inputs.items() if name != "curate"]
    journal(f"evaluate {policy}")
    value = digest(load(policy / "policy"), ctx.params)
    (ctx.out / "metrics.json").write_text(json.dumps({"pass@1": int(value[:4], 16) / 0xFFFF}))
