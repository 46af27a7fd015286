"""Search without the workflow: any Hugging Face checkpoint on any prompt file."""

from __future__ import annotations

import shutil
from pathlib import Path

from rlpipe.commands.evaluate import fingerprint, read_prompts
from rlpipe.evaluate.eval_rows import Row
from rlpipe.evaluate.prompt_subset import choose
from rlpipe.search.console import show
from rlpipe.search.policy import search_policy
from rlpipe.search.settings import SearchStageSettings


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
