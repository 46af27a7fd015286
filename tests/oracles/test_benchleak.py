"""benchleak's scores on the same numbers (extra `benchleak`; without it, skipped)."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.contamination.probes import scores
from rlpipe.policy.scoring import moments
from rlpipe.statistics.auc import wins

core = pytest.importorskip("benchleak.core")
torch = pytest.importorskip("torch")
pretrain = pytest.importorskip("benchleak.detectors.pretrain")
rl = pytest.importorskip("benchleak.detectors.rl")

LOGPROBS = [-0.6, -2.6, -0.04, -0.75, -0.1, -0.2]


def test_worked_example() -> None:
    first, second = [0.3, 1.4, 0.6], [0.8, 2.1, 0.1, 1.0]
    assert rl.penalized_cosine_similarity(first, second) == pytest.approx(0.635860, abs=1e-6)
    assert scores.penalised_cosine(first, second) == pytest.approx(0.635860, abs=1e-6)
    assert core.compare_distributions([0.9, 0.8, 0.7, 0.6, 0.55], [0.5, 0.65, 0.4, 0.3, 0.2]) == pytest.approx(
        (0.92, 0.015873), abs=1e-6
    )


@pytest.mark.parametrize(("share", "expected"), [(0.2, -2.6), (0.5, -1.316667)])
def test_min_k_has_the_opposite_sign(share: float, expected: float) -> None:
    assert pretrain.min_k_prob(torch.tensor(LOGPROBS), 100 * share) == pytest.approx(expected, abs=1e-6)
    assert scores.min_k(LOGPROBS, share) == pytest.approx(-expected, abs=1e-6)


def test_below_five_tokens_only_benchleak_has_a_min_k() -> None:
    assert pretrain.min_k_prob(torch.tensor(LOGPROBS[:4])) == pytest.approx(-2.6)
    assert np.isnan(scores.min_k(LOGPROBS[:4]))


@pytest.mark.parametrize("seed", range(20))
def test_similarity_min_k_entropy_and_auc(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(1, size=rng.integers(1, 12)), rng.gamma(1, size=rng.integers(1, 12))
    assert rl.penalized_cosine_similarity(a.tolist(), b.tolist()) == pytest.approx(
        scores.penalised_cosine(a, b), abs=1e-5
    )
    logprobs = -rng.gamma(1, size=rng.integers(5, 40))
    assert pretrain.min_k_prob(torch.tensor(logprobs)) == pytest.approx(-scores.min_k(logprobs), abs=1e-6)
    logits = torch.tensor(rng.normal(0, 3, (6, 9)))
    assert rl.step_entropy(logits).numpy() == pytest.approx(-moments(logits)[0].numpy(), abs=1e-6)
    members, others = rng.normal(0.5, 1, 9).round(1), rng.normal(0, 1, 7).round(1)
    assert core.compare_distributions(members.tolist(), others.tolist())[0] == pytest.approx(
        wins(members, others).mean()
    )
