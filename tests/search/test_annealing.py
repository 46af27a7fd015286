from __future__ import annotations

from functools import partial

import pytest

from rlpipe.search import annealing
from rlpipe.search.resampling import effective_sample_size, logit, softmax

near = partial(pytest.approx, abs=1e-6)
W = logit([0.9, 0.6, 0.55, 0.2])
P = softmax(W)


def test_unit_values():
    assert annealing.ess_temperature(0.2, 0.2) == near(4)
    assert annealing.ess_temperature(0.5, 0.8) == 1
    assert annealing.entropy_temperature(0.5, 0.3) == near(1.538462)
    assert annealing.entropy_temperature(1.0, 0.2) == 1
    assert annealing.base_temperature(2.0, 0.5) == near(1.5)
    assert annealing.base_temperature(0.8, 0.5) == 1


@pytest.mark.parametrize(
    ("mode", "temperature", "tempered", "ess"),
    [
        ("ess", 1.775007, [0.548865, 0.200019, 0.178223, 0.072892], 2.643142),
        ("entropy", 1.477997, [0.607884, 0.180855, 0.157454, 0.053807], 2.326022),
        ("base", 1.750000, [0.553168, 0.198701, 0.176757, 0.071374], 2.619074),
    ],
)
def test_worked_table(mode, temperature, tempered, ess):
    found = annealing.annealing_temperature(P, 2, 8, mode)
    assert found == near(temperature)
    assert softmax(W, found).tolist() == near(tempered)
    assert effective_sample_size(softmax(W, found)) == near(ess)


@pytest.mark.parametrize("mode", ["ess", "entropy", "base"])
def test_no_annealing_late_when_even_or_alone(mode):
    assert annealing.annealing_temperature(P, 4, 8, mode) == 1
    assert annealing.annealing_temperature([0.25] * 4, 1, 8, mode) == 1
    assert annealing.annealing_temperature([1.0], 1, 8, mode) == 1


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("apf", [0.552665, 0.368443, 0.075053, 0.003838]),
        ("mean", [0.440850, 0.359953, 0.162459, 0.036738]),
        ("next", [0.16, 0.64, 0.16, 0.04]),
    ],
)
def test_worked_lookahead(mode, expected):
    weights = annealing.lookahead_weights(W, [0.5, 0.8, 0.5, 0.2], mode)
    assert softmax(weights).tolist() == near(expected)


@pytest.mark.parametrize(
    "call",
    [
        lambda: annealing.annealing_temperature(P, 0, 8),
        lambda: annealing.annealing_temperature(P, 1, 8, "none"),
        lambda: annealing.lookahead_weights(W, [0.5] * 4, "none"),
        lambda: annealing.lookahead_weights(W, [0.5] * 3),
    ],
)
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"annealing|look-ahead"):
        call()
