"""Detector scores of one prompt, from the token paths of its responses: pure functions of lists.

A score that cannot be computed is NaN, and its prompt is left out of the metrics. All detectors look at the policy's
own responses, never at the text of the prompt: reinforcement learning has no target text to memorise.

Source: Self-Critique, arXiv:2510.09259, sections 3 and 4, and the authors' repository RL-Data-Contamination.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NAN = float("nan")
MIN_K_SHARE = 0.2
SMALLEST_VARIANCE = 1e-6
CDD_ALPHA = 0.05
CDD_LONGEST = 100  # tokens compared, where even the shorter of two responses is longer
Numbers = Sequence[float] | NDArray[np.float64]
Tokens = Sequence[int]


def penalised_cosine(a: Numbers, b: Numbers) -> float:
    """Cosine of two entropy paths, padded with zeros to one length, times shorter over longer length.

    S = (a . b) / (|a| |b|) * min(n1, n2) / max(n1, n2)

    Returns: similarity in [0, 1] for entropies; 0 where a path is all zero; NaN where one is empty.
    Source: arXiv:2510.09259, section 3.2. Differs: the authors' function returns 0 for an empty path and their caller
    NaN; here both are NaN.
    """
    if not len(a) or not len(b):
        return NAN
    short, long = sorted((len(a), len(b)))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    dot = float(np.dot(np.asarray(a, float)[:short], np.asarray(b, float)[:short]))
    return dot / norm * short / long if norm else 0.0


def self_critique(first: Numbers, second: Numbers) -> float:
    """How little the entropy path `[n1]` moves when the policy is asked for another way `[n2]`; nats in, [0, 1] out.

    Source: arXiv:2510.09259, section 3.2.
    """
    return penalised_cosine(first, second)


def ppl(logprobs: Numbers) -> float:
    """Perplexity of the greedy response, exp(-mean logprob)."""
    return float(np.exp(-np.mean(logprobs))) if len(logprobs) else NAN


def min_k(logprobs: Numbers, share: float = MIN_K_SHARE) -> float:
    """Minus the mean of the `share` lowest log-probabilities, nats; NaN below 1 / share tokens.

    Source: Min-K% Prob, arXiv:2310.16789, eq. 1, as coded by the authors of Self-Critique. Differs: the original has no
    minus sign, so this AUC is 1 minus that of the original.
    """
    k = int(len(logprobs) * share)
    return -float(np.mean(np.sort(logprobs)[:k])) if k else NAN


def min_k_plus_plus(logprobs: Numbers, means: Numbers, variances: Numbers, share: float = MIN_K_SHARE) -> float:
    """Mean of the `share` lowest (logprob - mean) / standard deviation, over the tokens of the greedy response.

    `means` are sum p ln p and `variances` sum p (ln p)^2 - mean^2 of the next-token distribution.
    Source: Min-K%++, arXiv:2404.02936, eq. 2, on the policy's own response.
    """
    k = int(len(logprobs) * share)
    if not k or len(means) < len(logprobs) or len(variances) < len(logprobs):
        return NAN
    n = len(logprobs)
    deviation = np.sqrt(np.maximum(np.asarray(variances, float)[:n], SMALLEST_VARIANCE))
    z = (np.asarray(logprobs, float) - np.asarray(means, float)[:n]) / deviation
    return float(np.mean(np.sort(z)[:k]))


def recall(logprobs: Numbers, noise_logprobs: Numbers) -> float:
    """Mean log-probability of the response to the disturbed prompt over that of the response to the prompt.

    Source: after ReCaLL, arXiv:2406.15968. Differs: two generations are compared, not one text after two prefixes.
    """
    if not len(logprobs) or not len(noise_logprobs):
        return NAN
    below = float(np.mean(logprobs))
    return float(np.mean(noise_logprobs)) / below if below else NAN


def edit_distances(greedy: Tokens, samples: Sequence[Tokens]) -> list[int]:
    """Token edit distance of each sample to the greedy response.

    Where the shorter of the two exceeds 100 tokens, both are cut to 100.
    """
    if not samples:
        return []
    pairs = [_cut(greedy, s) for s in samples]
    rows, columns = max(len(g) for g, _ in pairs), max(len(s) for _, s in pairs)
    reference = np.full((len(pairs), rows), -1, dtype=np.int64)
    written = np.full((len(pairs), columns), -2, dtype=np.int64)
    for i, (g, s) in enumerate(pairs):
        reference[i, : len(g)], written[i, : len(s)] = g, s
    table = _distance_rows(reference, written)
    return [int(table[len(g), i, len(s)]) for i, (g, s) in enumerate(pairs)]


def _cut(greedy: Tokens, sample: Tokens) -> tuple[Tokens, Tokens]:
    cut = min(len(greedy), len(sample)) > CDD_LONGEST
    return (greedy[:CDD_LONGEST], sample[:CDD_LONGEST]) if cut else (greedy, sample)


def _distance_rows(reference: NDArray[np.int64], written: NDArray[np.int64]) -> NDArray[np.int64]:
    """Levenshtein tables of all pairs, `[rows + 1, pairs, columns + 1]`.

    An insertion chain along a row is a running minimum of `cost - column`, so a row is three vector operations.
    """
    pairs, rows = reference.shape
    column = np.arange(written.shape[1] + 1)
    table = np.empty((rows + 1, pairs, len(column)), dtype=np.int64)
    table[0] = column
    for i in range(rows):
        above = table[i]
        best = above + 1
        best[:, 1:] = np.minimum(best[:, 1:], above[:, :-1] + (written != reference[:, i, None]))
        table[i + 1] = np.minimum.accumulate(best - column, axis=1) + column
    return table


def cdd(greedy: Tokens, samples: Sequence[Tokens], alpha: float = CDD_ALPHA) -> float:
    """Share of the samples within `alpha` times the mean length (samples and greedy) of the greedy response.

    Samples without tokens count in the mean length only. The threshold uses full lengths although distances are cut at
    100 tokens, so long responses pass easily.
    Source: CDD, arXiv:2402.15938, as coded by the authors of Self-Critique. Differs: the original has 50 samples and
    `alpha` times the longest length.
    """
    written = [s for s in samples if len(s)]
    if not len(greedy) or not written:
        return NAN
    threshold = alpha * float(np.mean([len(s) for s in (*samples, greedy)]))
    return float(np.mean([d <= threshold for d in edit_distances(greedy, written)]))


def entropy_temp(greedy: Numbers, samples: Sequence[Numbers]) -> float:
    """Mean similarity of the sampled entropy paths to the greedy one, times 1 minus their spread (at most 1).

    Source: arXiv:2510.09259, section 4.1 (Entropy-Temp); standard deviation with ddof 0.
    """
    if not len(greedy):
        return NAN
    similar = [penalised_cosine(greedy, s) for s in samples if len(s)]
    return float(np.mean(similar) * (1.0 - min(float(np.std(similar)), 1.0))) if similar else NAN


def entropy_noise(first: Numbers, disturbed: Numbers) -> float:
    """Similarity of the entropy paths for the prompt and for the prompt amid unrelated words.

    Source: arXiv:2510.09259, section 4.1 (Entropy-Noise).
    """
    return penalised_cosine(first, disturbed)


def greedy_entropy(entropies: Numbers) -> float:
    """Mean token entropy of the greedy response, nats. Ours, not of the paper: the plainest trace of training."""
    return float(np.mean(entropies)) if len(entropies) else NAN


def accuracy(correct: Sequence[bool]) -> float:
    """Share of right responses. Ours: what being trained on a prompt would show without looking at any entropy."""
    return float(np.mean(correct)) if len(correct) else NAN
