"""How varied the samples of one prompt are: Vendi score, answers; and a table with one row per prompt.

All of it is taken within one prompt's samples and then averaged over prompts; pooled over prompts it would measure how
varied the prompts are. Every number depends on how many samples there are and on the sampling temperature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from math import inf

import numpy as np
import polars as pl
from jaxtyping import Float
from numpy.typing import ArrayLike

from rlpipe.evaluate.diversity.ngrams import LENGTH, distinct_group, ngram_features, self_bleu
from rlpipe.statistics.answer_entropy import answer_entropy

Array = np.ndarray
ORDERS = (1, 2, 3, 4)
NOISE = 1e-12  # eigenvalues below are rounding
TABLE = {
    "prompt_id": pl.String,
    "vendi_q1": pl.Float64,
    "vendi_q2": pl.Float64,
    "distinct_1": pl.Float64,
    "distinct_2": pl.Float64,
    "self_bleu": pl.Float64,
    "answer_vendi": pl.Float64,
}


def vendi(kernel: ArrayLike, q: float = 1.0, weights: ArrayLike | None = None) -> float | None:
    """Effective number of different samples, 1 to n: exponential of the Rényi entropy of the kernel's eigenvalues.

    `kernel` `[n, n]` is symmetric, positive semi-definite, 1 on the diagonal. `weights` `[n]` default to 1/n. Small `q`
    weighs rare kinds; `q` = 0 counts them, `inf` looks at the largest alone. None for n = 0.

    Raises: ValueError for another kernel, weights or q < 0.
    Source: Friedman and Dieng 2023, arXiv:2210.02410, definition 3.1; order q: arXiv:2310.12952.
    Differs: eigenvalues below 1e-12 are left out, so that small q does not count rounding.
    """
    k = _checked_kernel(kernel)
    if not q >= 0:
        raise ValueError(f"vendi: q = {q}, but it must be 0 or more")
    if not len(k):
        return None
    p = _checked_weights(weights, len(k))
    m = k * np.sqrt(np.outer(p, p))
    share = np.linalg.eigvalsh((m + m.T) / 2)
    share = share[share > NOISE]
    share /= share.sum()
    if q == 1:
        return float(np.exp(-(share * np.log(share)).sum()))
    if q == inf:
        return float(1.0 / share.max())
    return float((share**q).sum() ** (1.0 / (1.0 - q)))


def _checked_kernel(kernel: ArrayLike) -> Float[Array, "n n"]:
    k = np.asarray(kernel, dtype=float)
    if k.size == 0:
        return np.zeros((0, 0))
    if k.ndim != 2 or k.shape[0] != k.shape[1]:
        raise ValueError(f"vendi: the kernel has shape {k.shape}; it must be square, [n, n]")
    if not np.isfinite(k).all():
        raise ValueError(f"vendi: row {int((~np.isfinite(k)).any(1).argmax())} of the kernel holds a value not finite")
    wrong = np.abs(np.diag(k) - 1) > 1e-6
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"vendi: the kernel is {k[row, row]} at [{row}, {row}]; a sample's similarity to itself is 1")
    if not np.allclose(k, k.T, atol=1e-6):
        raise ValueError("vendi: the kernel is not symmetric; use (K + K.T) / 2 if that is what you mean")
    return k


def _checked_weights(weights: ArrayLike | None, n: int) -> Float[Array, "n"]:
    p = np.full(n, 1.0 / n) if weights is None else np.asarray(weights, dtype=float)
    if p.shape != (n,) or not np.isfinite(p).all() or (p < 0).any() or not p.sum() > 0:
        raise ValueError(f"vendi: weights {p.tolist()}; give {n} numbers, none negative, with a sum above 0")
    return p / p.sum()


def cosine_kernel(embeddings: ArrayLike) -> Float[Array, "n n"]:
    """Cosines between the rows of `[n, d]`.

    Raises: ValueError for a row that is zero or holds a value not finite; never replaced by something made up.
    """
    e = _checked_embeddings(embeddings)
    norms = np.linalg.norm(e, axis=1, keepdims=True)
    if (norms == 0).any():
        raise ValueError(f"embeddings: row {int((norms == 0).argmax())} is zero and has no direction; leave it out")
    unit = e / norms
    return unit @ unit.T


def ngram_kernel(
    texts: Sequence[str], orders: Sequence[int] = ORDERS, length: int | None = LENGTH
) -> Float[Array, "n n"]:
    """`[n, n]`: mean over orders of the cosine between the texts' n-gram counts.

    Differs: texts too short for an order are alike to their copies (the reference has zeros, also on the diagonal).
    """
    rows = [ngram_features(texts, n, length) for n in orders]
    return np.mean([x @ x.T for x in rows], axis=0)


def exact_kernel(answers: Sequence[Hashable | None]) -> Float[Array, "n n"]:
    """`[n, n]`: 1 for equal canonical answers, else 0; no answer (None) is one answer. Vendi of it: exp(entropy)."""
    equal = [float(a == b) for a in answers for b in answers]
    return np.array(equal, dtype=float).reshape(len(answers), len(answers))


def inverse_simpson(answers: Sequence[Hashable | None], valid_only: bool = False) -> float | None:
    """1 / sum p^2 over canonical answers: effective number of answers of order 2; None if nothing is left."""
    counts = _counts(answers, valid_only)
    return float(counts.sum() ** 2 / (counts**2).sum()) if len(counts) else None


def collision_probability(answers: Sequence[Hashable | None], valid_only: bool = False) -> float | None:
    """Chance that two different samples have the same answer, sum c (c - 1) / (N (N - 1)); None for N < 2. Unbiased."""
    counts = _counts(answers, valid_only)
    n = counts.sum()
    return float((counts * (counts - 1)).sum() / (n * (n - 1))) if n > 1 else None


def _counts(answers: Sequence[Hashable | None], valid_only: bool) -> Float[Array, "V"]:
    return np.array(list(Counter(a for a in answers if a is not None or not valid_only).values()), dtype=float)


def _checked_embeddings(embeddings: ArrayLike) -> Float[Array, "n d"]:
    e = np.asarray(embeddings, dtype=float)
    if e.ndim != 2:
        raise ValueError(f"embeddings: shape {e.shape}; give [n, d], one row per sample")
    bad = ~np.isfinite(e).all(axis=1)
    if bad.any():
        raise ValueError(f"embeddings: row {int(bad.argmax())} holds a value not finite; embed that sample again")
    return e


def diversity_table(samples: pl.DataFrame, tokens: int = LENGTH, most: int = 32) -> pl.DataFrame:
    """One row per prompt, sorted: prompt_id and six measures, to be averaged over prompts; null where undefined.

    `samples` has the columns prompt_id, sample_index, response and canonical_answer of rollouts/1, of one policy. Of each
    prompt the `most` samples of lowest index are used, of each response the first `tokens` whitespace words.

    Raises: ValueError for a sample without a response, or `tokens` or `most` below 1.
    """
    if tokens < 1 or most < 1:
        raise ValueError(f"diversity: tokens = {tokens}, most = {most}; both must be 1 or more")
    missing = samples.filter(pl.col("response").is_null())
    if len(missing):
        prompt, index = missing.select("prompt_id", "sample_index").row(0)
        raise ValueError(f"diversity: sample {index} of prompt {prompt} has no response; it cannot be compared")
    ordered = samples.sort("prompt_id", "sample_index", maintain_order=True)
    grouped = ordered.group_by("prompt_id", maintain_order=True).agg(
        pl.col("response").head(most), pl.col("canonical_answer").head(most)
    )
    rows = [_row(prompt, texts, answers, tokens) for prompt, texts, answers in grouped.iter_rows()]
    return pl.DataFrame(rows, schema=TABLE, orient="row")


def _row(prompt_id: str, texts: list[str], answers: list[str | None], tokens: int) -> tuple[str | float | None, ...]:
    kernel, entropy = ngram_kernel(texts, length=tokens), answer_entropy(answers)
    return (
        prompt_id,
        vendi(kernel, 1),
        vendi(kernel, 2),
        distinct_group(texts, 1, tokens),
        distinct_group(texts, 2, tokens),
        self_bleu(texts, tokens),
        entropy.effective if entropy else None,
    )
