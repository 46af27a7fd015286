"""From rollouts to one value per problem and metric: the table that every interval and every test starts from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from rlpipe import artifacts
from rlpipe.evaluate.metric_row import label
from rlpipe.evaluate.usable import Rule, usable
from rlpipe.statistics.answer_entropy import answer_entropy
from rlpipe.statistics.pass_at_k import best_of_n, pass_at_k, pass_hat_k
from rlpipe.statistics.votes import majority_at_k, weighted_vote

# Everything the metrics need; token ids are not read, and texts for diversity only.
COLUMNS = (
    "run_id",
    "model_id",
    "policy_step",
    "prompt_id",
    "data_source",
    "difficulty",
    "sample_index",
    "acc",
    "finish_reason",
    "n_response_tokens",
    "logprobs",
    "entropies",
    "sampling_json",
    "seed",
    "canonical_answer",
    "canonical_solution",
    "verifier",
    "verifier_version",
    "verifier_status",
    "info_json",
)
ERRORS = ("timeout", "error", "gold_unparseable", "needs_symbolic")
NO_ANSWER = ("no_answer", "ambiguous")
UNBOUNDED = (
    "answer_entropy",
    "answer_entropy_corrected",
    "token_entropy",
    "distinct_correct",
    "response_length",
    "vendi_q1",
    "vendi_q2",
    "answer_vendi",
)
SCORER = "exp(mean log-probability of the response's tokens)"


@dataclass(frozen=True)
class Metric:
    """A metric by the name and k that eval/1 stores apart; `label` writes them together: pass@8."""

    name: str
    k: int | None = None

    @property
    def label(self) -> str:
        return label(self.name, self.k)

    @property
    def bounded(self) -> bool:
        """Whether a problem's value lies in [0, 1]."""
        return self.name not in UNBOUNDED


def metric(label: str) -> Metric:
    """`pass@8` as Metric("pass@k", 8), `answer_entropy` as itself."""
    found = re.fullmatch(r"(.*[@^])(\d+)", label)
    return Metric(found[1] + "k", int(found[2])) if found else Metric(label)


def read_samples(path: Path | str, texts: bool = False, rule: Rule = "refuse") -> pl.DataFrame:
    """The columns of rollouts/1 that evaluation needs; the responses too where `texts` asks for them.

    `rule` says what becomes of rows that cannot be counted (`usable`).

    Raises: ArtifactError for a file of another schema; ValueError if it holds no rollout, or one that cannot be counted.
    """
    frame = artifacts.read(path, artifacts.ROLLOUTS, (*COLUMNS, *(["response"] if texts else [])))
    frame = frame.filter(usable(path, rule))
    if frame.is_empty():
        raise ValueError(f"{path}: holds no rollout, so there is nothing to evaluate")
    return frame


def problem_table(samples: pl.DataFrame, ks: Sequence[int] = (), seed: int = 0) -> pl.DataFrame:
    """One row per prompt: prompt_id, data_source, difficulty, n, and a column per metric label, null where unknown.

    `samples` is of one policy. `ks` above the fewest samples a prompt has are left out; default all powers of two.
    """
    grouped = _by_prompt(samples)
    n = grouped["n"].to_numpy()
    fewest = int(n.min())
    powers = [k for k in (ks or [2**i for i in range(fewest.bit_length())]) if k <= fewest]
    columns = _counted(grouped, powers) | _voted(grouped, powers, fewest, seed)
    if len(set(n)) == 1:
        columns[f"mean@{fewest}"] = grouped["acc_mean"].to_numpy()
    measured = [pl.Series(label, values, dtype=pl.Float64, nan_to_null=True) for label, values in columns.items()]
    kept = ["prompt_id", "data_source", "difficulty", "n"]
    rest = [
        "token_entropy",
        "distinct_correct",
        "response_length",
        "truncation_rate",
        "no_answer_rate",
        "verifier_error_rate",
    ]
    return grouped.select(kept).with_columns(measured).hstack(grouped.select(pl.col(rest).cast(pl.Float64)))


def metrics_of(table: pl.DataFrame) -> list[Metric]:
    """The metrics of a problem table, in the order of its columns."""
    return [metric(name) for name in table.columns if name not in ("prompt_id", "data_source", "difficulty", "n")]


def mean_over_seeds(tables: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """One table of a run: per prompt, the mean over its seeds; prompts and metrics that every seed has.

    Raises: ValueError if the seeds share no prompt.
    """
    shared = [c for c in tables[0].columns if all(c in t.columns for t in tables)]
    ids = set.intersection(*(set(t["prompt_id"]) for t in tables))
    if not ids:
        raise ValueError("the seeds of the run share no prompt; were they evaluated on different prompt files?")
    stacked = pl.concat([t.select(shared) for t in tables]).filter(pl.col("prompt_id").is_in(list(ids)))
    labels = [c for c in shared if c not in ("prompt_id", "data_source", "difficulty", "n")]
    # A prompt without a value in one seed has none in the mean.
    means = [pl.when(pl.col(c).null_count() == 0).then(pl.col(c).mean()).alias(c) for c in labels]
    first = [pl.col("data_source").first(), pl.col("difficulty").first(), pl.col("n").min()]
    return stacked.group_by("prompt_id").agg(*first, *means).sort("prompt_id")


def _by_prompt(samples: pl.DataFrame) -> pl.DataFrame:
    """Counts, means and lists of answers by prompt, sorted by prompt; samples in order of their index."""
    status = pl.col("verifier_status")
    # Files of others may carry no status: an answer that could not be read is then the one without canonical form.
    unread = pl.when(status.is_null()).then(pl.col("canonical_answer").is_null()).otherwise(status.is_in(NO_ANSWER))
    rows = samples.sort("prompt_id", "sample_index", maintain_order=True).with_columns(
        pl.col("entropies").list.mean().cast(pl.Float64).alias("entropy"),
        pl.col("logprobs").list.mean().cast(pl.Float64).exp().alias("likelihood"),
        unread.alias("unread"),
    )
    solution = pl.coalesce("canonical_solution", "canonical_answer")
    right = solution.filter(pl.col("acc") & solution.is_not_null())
    return rows.group_by("prompt_id", maintain_order=True).agg(
        pl.col("data_source").first(),
        pl.col("difficulty").first(),
        pl.len().cast(pl.Int32).alias("n"),
        pl.col("acc").sum().alias("correct"),
        pl.col("acc").mean().alias("acc_mean"),
        pl.col("acc").cast(pl.Float64).alias("scores"),
        pl.col("canonical_answer").alias("answers"),
        pl.col("likelihood"),
        pl.col("entropy").mean().alias("token_entropy"),
        right.n_unique().alias("distinct_correct"),
        pl.col("n_response_tokens").mean().alias("response_length"),
        (pl.col("finish_reason") == "length").mean().alias("truncation_rate"),
        pl.col("unread").mean().alias("no_answer_rate"),
        status.is_in(ERRORS).mean().alias("verifier_error_rate"),
    )


def _counted(grouped: pl.DataFrame, ks: Sequence[int]) -> dict[str, np.ndarray]:
    """What the number of correct samples decides."""
    c, n = grouped["correct"].to_numpy(), grouped["n"].to_numpy()
    some, every = pass_at_k(c, n, ks), pass_hat_k(c, n, ks)
    return {f"pass@{k}": some[:, i] for i, k in enumerate(ks)} | {f"pass^{k}": every[:, i] for i, k in enumerate(ks)}


def _voted(grouped: pl.DataFrame, ks: Sequence[int], fewest: int, seed: int) -> dict[str, np.ndarray]:
    """What the answers decide: votes, best-of-k and weighted vote by likelihood, answer entropy."""
    sizes = list(dict.fromkeys([*ks, fewest]))
    nothing = np.full((len(grouped), len(sizes)), np.nan)
    votes, best, weighted = nothing.copy(), nothing.copy(), nothing[:, 0].copy()
    entropies = np.full((len(grouped), 2), np.nan)
    lists = (grouped[name].to_list() for name in ("answers", "scores", "likelihood"))
    for row, (answers, scores, likelihood) in enumerate(zip(*lists, strict=True)):
        votes[row] = majority_at_k(answers, scores, sizes, seed)
        found = answer_entropy(answers)
        assert found is not None
        entropies[row] = found.nats, found.miller_madow
        if None not in likelihood:
            best[row] = best_of_n(scores, likelihood, sizes)
            weighted[row] = weighted_vote(answers, scores, likelihood)
    columns = {f"majority@{k}": votes[:, i] for i, k in enumerate(sizes) if k in ks}
    columns |= {"consensus": votes[:, sizes.index(fewest)]}
    columns |= {f"best_of@{k}": best[:, i] for i, k in enumerate(sizes) if k in ks}
    return columns | {
        "weighted_vote": weighted,
        "answer_entropy": entropies[:, 0],
        "answer_entropy_corrected": entropies[:, 1],
    }
