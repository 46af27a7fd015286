"""The Vendi score's own package on the same kernels (extra `oracle`; without it, skipped)."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.evaluate.diversity.measures import cosine_kernel, ngram_kernel, vendi

package = pytest.importorskip("vendi_score.vendi")


@pytest.mark.parametrize("q", [0.5, 1, 2, np.inf])
@pytest.mark.parametrize("seed", range(5))
def test_vendi_scores(seed: int, q: float) -> None:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(list("abcd"), rng.integers(3, 9))) for _ in range(8)]
    for kernel in (cosine_kernel(rng.normal(size=(12, 5))), ngram_kernel(texts)):
        assert vendi(kernel, q) == pytest.approx(package.score_K(kernel, q="inf" if q == np.inf else q), rel=1e-6)
