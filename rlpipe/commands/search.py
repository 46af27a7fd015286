"""The commands that make a checkpoint try harder: search and friction. Registered by `rlpipe.commands.app`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlpipe.commands.data import DataSource, Set, assignments

Model = Annotated[Path | None, typer.Option(help="Hugging Face directory")]
Prompts = Annotated[Path | None, typer.Option(help="prompts, in any layout `rlpipe import` reads")]


def search(
    model: Model = None,
    prompts: Prompts = None,
    out: Annotated[Path, typer.Option("--out", help="folder for searches.parquet and metrics.parquet")] = Path(
        "search"
    ),
    data_source: DataSource = None,
    set_: Set = None,
) -> None:
    """Best-of-N, votes, beams and particle filters with a policy, compared at equal generated tokens."""
    if model is None or prompts is None:
        raise ValueError("give --model and --prompts")
    from rlpipe.search.settings import SearchStageSettings

    settings = SearchStageSettings.model_validate(assignments(set_ or []))
    from rlpipe.commands.search_files import search_model

    search_model(model, prompts, out, settings, data_source)


def friction(
    model: Model = None,
    prompts: Prompts = None,
    out: Annotated[Path, typer.Option("--out", help="folder for friction.parquet and metrics.parquet")] = Path(
        "friction"
    ),
    data_source: DataSource = None,
    set_: Set = None,
) -> None:
    """Tell a policy that it is wrong, round after round, and see how much of what is left it solves."""
    if model is None or prompts is None:
        raise ValueError("give --model and --prompts")
    from rlpipe.evaluate.friction.settings import FrictionSettings

    settings = FrictionSettings.model_validate(assignments(set_ or []))
    from rlpipe.commands.friction import friction_model

    friction_model(model, prompts, out, settings, data_source)
