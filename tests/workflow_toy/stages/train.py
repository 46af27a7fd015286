"""Toy: a few steps with a checkpoint after each; methods are loaded by name, as the real stage does.

TOY_GATE names a file to wait for after the first step; TOY_FAIL makes the named artifact fail: with `full` as on a full disk.
"""

from __future__ import annotations

import errno
import os
import time
from importlib import import_module
from pathlib import Path

from rlpipe.models import Recipe, digest, journal, load, save
from rlpipe.pipeline.stage import Context

STEPS = 4


def main(ctx: Context) -> None:
    run, seed = ctx.wildcards["run"], ctx.wildcards["seed"]
    checkpoint = ctx.scratch / "step.txt"
    done, value = 0, load(ctx.inputs["sft"] / "policy")
    if checkpoint.exists():
        words = checkpoint.read_text().split()
        done, value = int(words[0]), words[1]
        print(f"resuming at step {done}")
    journal(f"train {run} {seed} from {done}")
    names = [m if isinstance(m, str) else next(iter(m)) for m in ctx.params["runs"][run]["methods"]]
    for name in names:
        method = getattr(import_module(f"rlpipe.methods.{name}"), name)
        value = value if done else digest(value, method(Recipe()))
    for step in range(done, STEPS):
        value = digest(value, step, seed, ctx.params)
        checkpoint.with_suffix(".part").write_text(f"{step + 1} {value}")
        os.replace(checkpoint.with_suffix(".part"), checkpoint)
        while (gate := os.environ.get("TOY_GATE")) and not Path(gate).exists():
            time.sleep(0.02)
        if os.environ.get("TOY_FAIL") == f"{run} {seed}":
            raise ValueError(f"runs.{run}: this one was told to fail; unset TOY_FAIL")
        if os.environ.get("TOY_FAIL") == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
    save(ctx.out / "policy", value)
    (ctx.out / "timings.parquet").write_text(str(time.time()))
    ctx.notes["methods"] = names
