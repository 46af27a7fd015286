"""The `rlpipe` command. Sub-commands import what they need when they run, so that `rlpipe --help` comes at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from rlpipe.commands import (
    compare,
    contamination,
    data,
    diversity,
    doctor,
    evaluate,
    friction,
    results,
    search,
)
from rlpipe.commands.opener import readable_errors
from rlpipe.pipeline.portable import pin_kernels

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Reinforcement learning from verifiable rewards: look at the project, its results and what they are made of.",
)
COMMANDS = (
    *(doctor.doctor, results.explain, results.prune, results.accept),
    *(data.methods, data.import_, data.export),
    *(evaluate.evaluate, contamination.contamination, compare.compare, diversity.diversity),
    *(search.search, friction.friction),
)


def _readable(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        pin_kernels()
        with readable_errors():
            command(*args, **kwargs)

    return run


for command in COMMANDS:
    app.command(command.__name__.rstrip("_"))(_readable(command))


if __name__ == "__main__":
    app()
