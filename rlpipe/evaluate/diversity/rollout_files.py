"""Every diversity measure of a file of rollouts, with intervals over prompts; kernels over words, answers, embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from rlpipe import artifacts
from rlpipe.evaluate.diversity.measures import (
    collision_probability,
    cosine_kernel,
    exact_kernel,
    inverse_simpson,
    ngram_kernel,
    vendi,
)
from rlpipe.evaluate.diversity.ngrams import distinct_group, ead, self_bleu
from rlpipe.evaluate.metric_row import ALL, Row, bounds, to_json
from rlpipe.evaluate.problems import read_samples
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.overlap.paraphrase.embed import Embed
from rlpipe.statistics.answer_entropy import answer_entropy
from rlpipe.statistics.intervals import interval

BOUNDED = ("distinct_1", "distinct_2", "self_bleu", "collision_probability")


def diversity_of_rollouts(
    rollouts: Path | str,
    out_dir: Path | str,
    settings: EvaluateSettings | None = None,
    orders: Sequence[float] = (0.5, 1, 2, np.inf),
    samples: int = 32,
    embed: Embed | None = None,
    vocabulary: int | None = None,
) -> list[Row]:
    """Mean over prompts of every measure, for every policy in the file; writes `metrics.parquet` (eval/1).

    Of each prompt the `samples` of lowest index count: every measure grows or falls with their number. `vocabulary` is that
    of expected distinct n-grams (EAD), by default the different words of the file, which is said in `info_json`.

    Raises: ArtifactError for a file of another schema; ValueError for fewer than two samples, or an order below 0.
    """
    if samples < 2 or min(orders) < 0:
        raise ValueError(
            f"samples = {samples}, orders = {list(orders)}: give two samples or more, and orders from 0 on"
        )
    settings = settings or EvaluateSettings()
    frame = read_samples(rollouts, texts=True, rule=settings.unusable)
    words = vocabulary or len({w for text in frame["response"] for w in text.split()}) or 1
    rows: list[Row] = []
    for (run, model, step), own in frame.group_by("run_id", "model_id", "policy_step", maintain_order=True):
        table = _problems(own, orders, samples, embed, words)
        who = {"run_id": run, "model_id": model, "policy_step": step, "benchmark": ALL, "seed": settings.seed}
        info = {"samples": samples, "vocabulary": words, "vocabulary_from": "tokenizer" if vocabulary else "file"}
        rows += [who | row | {"info_json": to_json(info)} for row in _means(table, settings, samples)]
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    artifacts.write(Path(out_dir) / "metrics.parquet", artifacts.EVAL, rows)
    return rows


def _problems(
    frame: pl.DataFrame, orders: Sequence[float], samples: int, embed: Embed | None, words: int
) -> dict[str, list[float | None]]:
    """A list of one value per prompt for every measure, null where it is undefined."""
    ordered = frame.sort("prompt_id", "sample_index")
    grouped = ordered.group_by("prompt_id", maintain_order=True).agg(
        pl.col("response").head(samples), pl.col("canonical_answer").head(samples)
    )
    found: dict[str, list[float | None]] = {}
    for texts, answers in grouped.select("response", "canonical_answer").iter_rows():
        for name, value in _measures(texts, answers, orders, embed, words).items():
            found.setdefault(name, []).append(value)
    return found


def _measures(
    texts: list[str], answers: list[str | None], orders: Sequence[float], embed: Embed | None, words: int
) -> dict[str, float | None]:
    kernels = {"ngram": ngram_kernel(texts), "answer": exact_kernel(answers)}
    if embed is not None:
        kernels["embedding"] = cosine_kernel(embed(texts))
    measures = {f"vendi_{name}_q{q:g}": vendi(kernel, q) for name, kernel in kernels.items() for q in orders}
    for n in (1, 2):
        measures |= {f"distinct_{n}": distinct_group(texts, n), f"ead_{n}": ead(texts, n, words)}
    entropy = answer_entropy(answers)
    measures |= {"self_bleu": self_bleu(texts), "answer_entropy": entropy.nats if entropy else None}
    measures |= {"inverse_simpson": inverse_simpson(answers), "collision_probability": collision_probability(answers)}
    return measures


def _means(table: dict[str, list[float | None]], settings: EvaluateSettings, samples: int) -> list[Row]:
    rows = []
    for name, values in table.items():
        known = np.array([v for v in values if v is not None])
        if len(known):
            s = settings
            (m,) = interval(known[:, None], s.interval, s.confidence, s.bootstrap_draws, s.seed, name in BOUNDED)
            how = {"ci_method": m.method, "n_boot": m.draws, "n_problems": len(known), "n_samples": samples}
            rows.append({"metric": name, **bounds(m), **how})
    return rows
