"""One checkpoint searched: the table of all searches and its metrics. What the stage and the command share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from rlpipe import artifacts, models
from rlpipe.engine.load import load_engine
from rlpipe.evaluate.metric_row import Row
from rlpipe.search.metrics import FILE, SEARCH, metric_rows
from rlpipe.search.searches import write_searches
from rlpipe.search.settings import SearchStageSettings
from rlpipe.types import Prompt


def search_policy(
    policy: str | Path,
    prompts: Sequence[Prompt],
    settings: SearchStageSettings,
    who: Row,
    out: Path,
    scratch: Path,
    device: Any = None,
    environment: Mapping[str, Any] | None = None,
) -> list[Row]:
    """`searches.parquet` (search/1) and `metrics.parquet` (eval/1) of a Hugging Face directory under `out`.

    `who`: run_id, model_id, policy_step, split. Returns: the rows of the metrics.

    Raises: ModelError for an unusable checkpoint; ValueError for no prompts, or a separator that no token is.
    """
    torch.set_num_threads(settings.threads)
    model, tokenizer = models.load_policy(policy)
    if device:
        model.to(device)
    engine = load_engine(settings.engine, model, tokenizer, settings.batch_size)
    subject = {key: who[key] for key in ("run_id", "model_id", "policy_step")}
    write_searches(prompts, engine, tokenizer, settings, subject, out / FILE, scratch, environment)
    return write_metrics(out, settings, who)


def write_metrics(out: Path, settings: SearchStageSettings, who: Row) -> list[Row]:
    """`metrics.parquet` beside `searches.parquet`, from that file alone. Returns: its rows."""
    rows = metric_rows(artifacts.read(out / FILE, SEARCH), settings, who)
    artifacts.write(out / "metrics.parquet", artifacts.EVAL, rows)
    return rows
