"""`rlpipe search`: any Hugging Face checkpoint on any prompt file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlpipe.commands.opener import DataSource, Model, Prompts, Set, assignments, fingerprint, read_prompts

if TYPE_CHECKING:
    from rlpipe.evaluate.metric_row import Row
    from rlpipe.search.settings import SearchStageSettings


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
    search_model(model, prompts, out, settings, data_source)


def search_model(
    model_path: str | Path,
    prompts_path: str | Path,
    out_dir: str | Path,
    settings: SearchStageSettings | None = None,
    data_source: str | None = None,
    device: str | None = None,
) -> list[Row]:
    """Search with a checkpoint on a prompt file; `searches.parquet` and `metrics.parquet` under `out_dir`; print a table.

    `prompts_path`: prompts/1, or any layout `rlpipe import` reads (`data_source` as there); a file with a column `split`
    is searched on `settings.split`. Killed and started again with the same arguments, it goes on where it was.

    Raises: ModelError for an unusable checkpoint; RowError or ValueError for prompts that cannot be read or are none.
    """
    from rlpipe.evaluate.prompt_subset import choose
    from rlpipe.search.checkpoint import search_policy
    from rlpipe.search.console import show
    from rlpipe.search.settings import SearchStageSettings

    settings, out = settings or SearchStageSettings(), Path(out_dir)
    prompts, split = read_prompts(prompts_path, settings.split, data_source=data_source)
    prompts = choose(prompts, settings.limit)
    out.mkdir(parents=True, exist_ok=True)
    scratch = out / f".unfinished-{fingerprint(model_path, prompts, settings)}"
    who: Row = {"run_id": Path(model_path).name, "model_id": str(model_path), "policy_step": 0, "split": split}
    rows = search_policy(model_path, prompts, settings, who, out, scratch, device)
    shutil.rmtree(scratch)
    show(rows, settings)
    return rows
