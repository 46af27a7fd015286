"""EPO: worked numbers of its specification, both versions, its corridor and its memory."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from rlpipe.methods.epo import History, corridor, fade, released, smoothed, turn_mean, weight_over_run
from rlpipe.recipe import load
from rlpipe.types import Signals
from tests.contract import gradient, same, weighed
from tests.toy import blank, double, leaf, step

ENTROPY = double([[0.3, 1.4, 0.9, 0.55]])
ONE = torch.ones(1, 4, dtype=torch.bool)


def history(*steps, by_turn=False):
    found = History(by_turn)
    found.load_state_dict({"steps": [list(s) for s in steps]})
    return found


def noted(batch, memory, **changed):
    known = {"low": 0.5, "high": 1.5, "penalise": "token", "active_from": 0, **changed}
    return replace(batch, annotations=corridor(batch, step(), history=memory, **known))


def test_the_papers_loss():
    """Hbar 0.8 over 100 steps at step 10: L = 0.2 - 0.01 (0.7875 - 1.818731 * 0.0075) = 0.192261."""
    batch = noted(blank(ONE, old=Signals(ENTROPY, ENTROPY)), history([0.8]))
    at_10 = replace(step(10), total=100)
    loss = smoothed(Signals(ENTROPY, ENTROPY), batch, at_10, coefficient=0.01, low=0.5, high=1.5, alpha=0.1, gamma=1.0)
    assert fade(10, 100, 1.0) == pytest.approx(1.818731, abs=1e-6)
    assert 0.2 + float((loss.weight * loss.loss).sum()) == pytest.approx(0.192261, abs=1e-6)
    assert float(loss.metrics["epo_penalty"].mean()) == pytest.approx(1.818731 * 0.0075, abs=1e-6)
    assert batch.annotations["epo_outside"].tolist() == [[True, True, False, False]]


def test_the_papers_penalty_pulls_entropy_into_the_corridor():
    entropy = leaf(ENTROPY)
    batch = noted(blank(ONE, old=Signals(ENTROPY, ENTROPY)), history([0.8]))
    loss = smoothed(Signals(ENTROPY, entropy), batch, step(0), coefficient=1.0, low=0.5, high=1.5, alpha=1.0, gamma=1.0)
    (found,) = torch.autograd.grad(loss.loss.sum(), entropy)
    assert found.tolist() == [[-1 - 2.0, -1 + 2.0, -1.0, -1.0]]  # beta is 2 at first


RELEASED = double([[0.3, 1.2], [0.9, 0.55]])


def of_release(penalise):
    batch = blank(
        torch.ones(2, 2, dtype=torch.bool), old=Signals(RELEASED, RELEASED), turn=torch.tensor([[0, 0], [1, 1]])
    )
    return noted(batch, history([1.0, 0.5], by_turn=True), penalise=penalise)


def test_the_releases_loss():
    """pg 0.2, c 0.001, penalty 0.1 on two of four tokens: 0.2 - 0.001 (0.7375 - 0.05) = 0.1993125."""
    batch = of_release("token")
    assert batch.annotations["epo_outside"].tolist() == [[True, False], [True, False]]
    loss = released(Signals(RELEASED, RELEASED), batch, step(), coefficient=0.001, penalty=0.1, epoch_weight=False)
    assert 0.2 + float((loss.weight * loss.loss).sum()) == pytest.approx(0.1993125, abs=1e-9)
    assert not of_release("sequence").annotations["epo_outside"].any()


def test_the_releases_penalty_has_no_gradient():
    """So it trains as an entropy bonus, where the paper's penalty pulls."""
    entropy = leaf(RELEASED)
    loss = released(
        Signals(RELEASED, entropy), of_release("token"), step(), coefficient=1.0, penalty=0.1, epoch_weight=False
    )
    (found,) = torch.autograd.grad(loss.loss.sum(), entropy)
    assert found.tolist() == [[-1.0, -1.0], [-1.0, -1.0]]


def test_edges_are_open_and_nothing_is_penalised_before_its_turn():
    batch = blank(torch.ones(1, 2, dtype=torch.bool), old=Signals(double([[0, 0]]), double([[0.5, 1.5]])))
    assert noted(batch, history([1.0])).annotations["epo_outside"].all()
    late = noted(batch, history([1.0], by_turn=True), active_from=1)
    assert not late.annotations["epo_outside"].any()


@pytest.mark.parametrize(
    ("epoch", "weight"), [(0, 1), (37, 0.874563), (75, 0.827067), (76, 0.768632), (112, 0.182110), (150, 0.039830)]
)
def test_the_weight_over_the_run(epoch, weight):
    assert weight_over_run(epoch, 150) == pytest.approx(weight, abs=1e-6)


def test_the_mean_is_over_rollouts_then_turns_then_tokens():
    mask = torch.tensor([[1, 1, 1, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)
    weights = turn_mean(blank(mask))
    expected = double([[1 / 12, 1 / 12, 1 / 12, 0, 1 / 4], [0, 1 / 2, 0, 0, 0], [0] * 5])
    torch.testing.assert_close(weights, expected)
    assert float(weights.sum()) == pytest.approx(1)


def test_before_there_is_a_history_it_is_an_entropy_bonus():
    base = {"grpo": {"reduction": "token"}}
    recipe = load([base, {"epo": {"coefficient": 0.01, "version": "released"}}])
    bonus = load([base, {"entropy_bonus": {"coefficient": 0.01}}])
    same(gradient(recipe, weighed(recipe)), gradient(bonus, weighed(bonus)))


def test_coefficient_zero_is_the_base():
    recipe, base = load(["grpo", {"epo": {"coefficient": 0.0}}]), load(["grpo"])
    same(gradient(recipe, weighed(recipe)), gradient(base, weighed(base)))


def test_the_history_is_the_mean_over_steps_and_survives_a_checkpoint():
    memory = History(by_turn=False)
    for value in (0.6, 1.0):
        memory.observe((), blank(ONE, old=Signals(ENTROPY, ENTROPY * 0 + value)), {})
    memory.observe((), None, {})
    assert memory.anchor(torch.zeros(1, 2, dtype=torch.long)).tolist() == [[0.8, 0.8]]
    fresh = History(by_turn=False)
    fresh.load_state_dict(memory.state_dict())
    assert fresh.anchor(torch.zeros(1, 1, dtype=torch.long)).item() == pytest.approx(0.8)


def test_the_history_of_turns_keeps_them_apart():
    mask = torch.tensor([[1, 0, 1]], dtype=torch.bool)
    memory = History(by_turn=True)
    memory.observe((), blank(mask, old=Signals(double([[0, 0, 0]]), double([[1.0, 9.0, 0.5]]))), {})
    memory.observe((), blank(mask[:, :1], old=Signals(double([[0]]), double([[2.0]]))), {})
    assert memory.anchor(torch.tensor([[0, -1, 1, 2]])).tolist() == [[1.5, 0.0, 0.5, 0.0]]
    assert math.isfinite(float(memory.anchor(torch.tensor([[5]]))))
