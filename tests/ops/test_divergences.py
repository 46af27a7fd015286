"""Golden numbers of specs, baselines (KL) and kl_bayes (estimators, exact on four answers)."""

from __future__ import annotations

import pytest
import torch

from rlpipe.ops.divergences import divergence
from tests.toy import double, leaf

NEW, REFERENCE = double([[-1, -2, -0.5]]), double([[-1.2, -1, -0.5]])
K3 = [0.018731, 0.718282, 0]
PI0, Q = double([0.5, 0.3, 0.15, 0.05]), double([0.4, 0.3, 0.2, 0.1])


@pytest.mark.parametrize(
    ("estimator", "value", "gradient"),
    [
        ("k1", [0.2, -1, 0], [1, 1, 1]),
        ("k2", [0.02, 0.5, 0], [0.2, -1, 0]),
        ("k3", K3, [0.181269, -1.718282, 0]),
        ("k3+", K3, [0.2, -1, 0]),
        ("abs", [0.2, 1, 0], [1, -1, 0]),
    ],
)
def test_values_and_gradients(estimator, value, gradient):
    new = leaf(NEW)
    estimate = divergence(new, REFERENCE, estimator)
    estimate.sum().backward()
    torch.testing.assert_close(estimate.detach(), double([value]), atol=1e-6, rtol=0)
    torch.testing.assert_close(new.grad, double([gradient]), atol=1e-6, rtol=0)


def test_k3_is_bounded():
    assert divergence(double([[-100, 0]]), double([[0, -100]]), "k3").tolist() == [[10, 10]]


@pytest.mark.parametrize(
    ("estimator", "mean", "variance"),
    [("k1", 0.037594, 0.083101), ("k2", 0.042257, 0.004576), ("k3", 0.037594, 0.002890)],
)
def test_expectation_and_variance(estimator, mean, variance):
    value = divergence(Q.log()[None], PI0.log()[None], estimator)[0]
    expected = (Q * value).sum()
    torch.testing.assert_close(float(expected), mean, atol=1e-6, rtol=0)
    torch.testing.assert_close(float((Q * (value - expected).square()).sum()), variance, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("estimator", "gradient"),
    [
        ("k1", [0, 0, 0, 0]),
        ("k2", [-0.104295, -0.011278, 0.050018, 0.065555]),
        ("k3+", [-0.104295, -0.011278, 0.050018, 0.065555]),
        ("k3", [-0.1, 0, 0.05, 0.05]),
    ],
)
def test_expected_gradient_in_the_loss(estimator, gradient):
    """k2: exactly that of KL(q || pi0); k3: q - pi0, that of the forward KL; k1: none."""
    logits = leaf(Q.log())
    (Q * divergence(logits.log_softmax(-1)[None], PI0.log()[None], estimator)[0]).sum().backward()
    torch.testing.assert_close(logits.grad, double(gradient), atol=1e-6, rtol=0)


def test_the_true_gradient_of_the_divergence():
    logits = leaf(Q.log())
    logprobs = logits.log_softmax(-1)
    (logprobs.exp() * (logprobs - PI0.log())).sum().backward()
    torch.testing.assert_close(logits.grad, double([-0.104295, -0.011278, 0.050018, 0.065555]), atol=1e-6, rtol=0)
