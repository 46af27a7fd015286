from __future__ import annotations

import torch

from rlpipe.ops.signals import self_certainty
from tests.toy import F2_LOGITS, double, entropy_of, logprob_of, readout

TOKEN = torch.tensor([0])


def test_entropy_of_f2():
    torch.testing.assert_close(entropy_of(readout(F2_LOGITS[None], TOKEN)), double([0.971274]), atol=1e-6, rtol=0)


def test_probabilities_of_f2():
    tokens = torch.arange(5)
    probabilities = logprob_of(readout(F2_LOGITS.expand(5, 5), tokens)).exp()
    expected = double([0.641133, 0.235860, 0.086768, 0.031920, 0.004320])
    torch.testing.assert_close(probabilities, expected, atol=1e-6, rtol=0)


def test_certainty():
    # Specs, dace: KL(U || p) of the two logit vectors, and 0 for the uniform distribution.
    logits = torch.stack([F2_LOGITS, double([0.5, 0.4, 0.3, 0.2, 0.1]), double([3, 3, 3, 3, 3])])
    expected = double([1.035081, 0.009978, 0.0])
    torch.testing.assert_close(self_certainty(readout(logits, TOKEN.expand(3))), expected, atol=1e-6, rtol=0)


def test_entropy_falls_by_the_covariance():
    """Tabular identities of the entropy mechanism, on F2 with an exact advantage centred under pi."""
    advantage = double([0.084719, -0.615281, 0.884719, 0.184719, 1.884719])
    logprobs = F2_LOGITS.log_softmax(-1)
    pi = logprobs.exp()

    def covariance(x, y):
        return float((pi * x * y).sum() - (pi * x).sum() * (pi * y).sum())

    def change(direction, eta=1e-3):
        moved, still = (entropy_of(readout(z[None], TOKEN)) for z in (F2_LOGITS + eta * direction, F2_LOGITS))
        return float(moved - still) / eta

    vanilla, natural = pi * advantage, advantage
    torch.testing.assert_close(-covariance(logprobs, vanilla), -0.024106, atol=1e-6, rtol=0)
    torch.testing.assert_close(-covariance(logprobs, natural), 0.066809, atol=1e-6, rtol=0)
    torch.testing.assert_close(change(vanilla), -0.024109, atol=1e-6, rtol=0)
    torch.testing.assert_close(change(natural), 0.066825, atol=1e-6, rtol=0)
