"""nltk's BLEU on the same texts (extra `oracle`; without it, skipped)."""

from __future__ import annotations

import numpy as np
import pytest

from rlpipe.evaluate.diversity.ngrams import self_bleu

bleu = pytest.importorskip("nltk.translate.bleu_score")


@pytest.mark.parametrize("seed", range(20))
def test_self_bleu(seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(list("abcde"), rng.integers(4, 12))) for _ in range(6)]
    words = [text.split() for text in texts]
    smoothing = bleu.SmoothingFunction(epsilon=0.1).method1
    each = [
        bleu.sentence_bleu(words[:i] + words[i + 1 :], own, smoothing_function=smoothing) for i, own in enumerate(words)
    ]
    assert self_bleu(texts) == pytest.approx(np.mean(each), abs=1e-9)
