"""scikit-learn's figures on the same numbers (extra `oracle`; without it, skipped)."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.statistics import auc
from rlpipe.statistics.reliability.calibration import auroc, calibration

metrics = pytest.importorskip("sklearn.metrics")


@pytest.mark.parametrize("seed", range(20))
def test_auc_of_members_and_of_confidences_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    members, others = rng.integers(0, 9, 30) / 8, rng.integers(0, 8, 25) / 8
    labels, scores = np.r_[np.ones(30), np.zeros(25)], np.r_[members, others]
    expected = metrics.roc_auc_score(labels, scores)
    assert auc.auc(members, others) == pytest.approx(expected)
    assert auroc(np.clip(scores, 0, 1), labels) == pytest.approx(metrics.roc_auc_score(labels, np.clip(scores, 0, 1)))


@pytest.mark.parametrize("seed", range(20))
def test_brier_score(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c, y = rng.random(50), rng.integers(0, 2, 50)
    assert calibration(c, y, draws=2).brier == pytest.approx(metrics.brier_score_loss(y, c))
