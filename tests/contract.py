"""The contract every method keeps, as functions of a recipe; `test_contract` tries every method against them.

A method is tried with its published values and with every choice and switch it has; modifiers stack on a base.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

import torch
from torch import Tensor
from torch.nn.functional import pad

from rlpipe.params.signatures import bases, read_methods
from rlpipe.recipe import Recipe
from rlpipe.train.step import assign_credit, carrying, total_loss, weigh
from rlpipe.types import Batch, Group, Signals
from tests.contract_batches import single
from tests.toy import Bigram, step

METHODS = read_methods()
NAMES = sorted(METHODS)
OLD = Bigram(seed=1)
NEW = OLD.moved(seed=2, by=0.2)
REFERENCE = OLD.moved(seed=3, by=0.4)


def stack(name: str, **values: Any) -> list[Any]:
    """The method with these hyperparameters, on a base where it is none."""
    return [{name: values}] if name in bases() else ["grpo", {name: values}]


def variants() -> dict[str, list[Any]]:
    """Stacks by readable name: each method as published, and with each other choice it offers."""
    found = {name: stack(name) for name in NAMES}
    for name in NAMES:
        for h in METHODS[name].hyperparameters.values():
            others = get_args(h.type) if get_origin(h.type) is Literal else (False, True) if h.type is bool else ()
            found |= {f"{name}-{h.name}-{o}": stack(name, **{h.name: o}) for o in others if o != h.default}
    return found


VARIANTS = variants()


# The step as the trainer takes it, on a policy small enough to differentiate a thousand times.


def credited(recipe: Recipe, batch: Batch | None = None) -> Batch:
    """A batch of one step with advantages and the signals of all policies that the recipe needs."""
    batch = batch or single()
    with torch.no_grad():
        old = recorded_where_stale(batch, OLD(batch.tokens, batch.response_mask, recipe.signals))
        reference = REFERENCE(batch.tokens, batch.response_mask) if "reference" in recipe.needs else None
        current = NEW(batch.tokens, batch.response_mask, recipe.signals) if "current" in recipe.needs else None
        batch = replace(batch, old=old, reference=reference, current=current)
        return assign_credit(batch, recipe, step())


def recorded_where_stale(batch: Batch, old: Signals) -> Signals:
    """The old policy's signals, but for replayed rollouts the log-probabilities that these carry."""
    owners = zip(batch.group.tolist(), batch.sample.tolist(), strict=True)
    stale = torch.tensor([batch.groups[g].rollouts[i].policy_step < 0 for g, i in owners])
    return replace(old, logprob=torch.where(stale[:, None], batch.old.logprob, old.logprob))


def weighed(recipe: Recipe, batch: Batch | None = None) -> Batch:
    with torch.no_grad():
        return weigh(credited(recipe, batch), recipe, step())


def gradient(recipe: Recipe, batch: Batch, rows: int = 1000) -> Tensor:
    """Of one mini-batch, accumulated over micro-batches of `rows` rollouts."""
    policy = NEW.moved(seed=0, by=0.0)
    policy.table.grad = torch.zeros_like(policy.table)
    carried = carrying(batch, recipe)
    for index in torch.arange(len(carried)).split(rows):
        micro = carried.rows(index)
        loss, _ = total_loss(policy(micro.tokens, micro.response_mask, recipe.signals), micro, recipe, step())
        loss.backward()
    return policy.table.grad


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-13, rtol=1e-8)


# The checks.


def check_micro_batches(recipe: Recipe, plain: Batch | None = None) -> None:
    batch = weighed(recipe, plain)
    whole = gradient(recipe, batch)
    assert whole.abs().max() > 1e-6, "a check on a zero gradient checks nothing"
    for rows in (1, 5):
        same(gradient(recipe, batch, rows), whole)


def check_padding(recipe: Recipe, plain: Batch | None = None) -> None:
    plain = plain or single()
    wide = {
        name: pad(value, (0, 5), value=3)
        for name, value in vars(plain).items()
        if isinstance(value, Tensor) and value.dim() == 2 and value.dtype != torch.bool
    }
    wide |= {"response_mask": pad(plain.response_mask, (0, 5)), "turn": pad(plain.turn, (0, 5), value=-1)}
    padded = replace(plain, **wide, old=Signals(wide["sampling_logprob"], wide["sampling_logprob"]))
    same(gradient(recipe, weighed(recipe, padded)), gradient(recipe, weighed(recipe, plain)))


def check_order(recipe: Recipe, plain: Batch | None = None) -> None:
    plain = plain or single()
    order = torch.randperm(len(plain), generator=torch.Generator().manual_seed(0))
    # The groups stand elsewhere too, among others that the batch has no rollouts of.
    place = 5 * (9 - torch.arange(len(plain.groups)))
    groups = [Group(plain.groups[0].prompt, ())] * 50
    for i, group in zip(place.tolist(), plain.groups, strict=True):
        groups[i] = group
    shuffled = replace(plain.rows(order), groups=tuple(groups), group=place[plain.group[order]], row=plain.row)
    same(gradient(recipe, weighed(recipe, shuffled)), gradient(recipe, weighed(recipe, plain)))


def poison(value: Any, mask: Tensor) -> Any:
    """NaN in every floating-point number outside the mask."""
    if isinstance(value, Signals):
        extra = {k: poison(v, mask) for k, v in value.extra.items()}
        return Signals(poison(value.logprob, mask), poison(value.entropy, mask), extra)
    if isinstance(value, Tensor) and value.dim() == 2 and value.is_floating_point():
        return torch.where(mask, value, torch.nan)
    return value


def check_poisoned_padding(recipe: Recipe, plain: Batch | None = None) -> None:
    """No NaN outside the response reaches an advantage, a weight, a loss or a gradient."""
    clean = weighed(recipe, plain)
    mask = clean.response_mask
    fields = ("old", "current", "reference", "sampling_logprob", "advantage")
    dirty = replace(clean, **{name: poison(getattr(clean, name), mask) for name in fields})
    same(assign_credit(dirty, recipe, step()).advantage, clean.advantage)
    again = weigh(replace(dirty, annotations={}), recipe, step())
    same(again.token_weight[mask], clean.token_weight[mask])
    same(again.reduction_weight, clean.reduction_weight)
    assert again.token_weight.isfinite().all()
    for name, note in clean.annotations.items():
        assert torch.equal(again.annotations[name], note)
        assert not note[~mask].any()
    results = []
    for batch in (clean, again):
        policy = NEW(batch.tokens, mask, recipe.signals)
        policy = Signals(policy.logprob.detach(), policy.entropy.detach(), policy.extra)
        policy = policy if batch is clean else poison(policy, mask)
        leaves = policy.logprob.requires_grad_(), policy.entropy.requires_grad_()
        loss, _ = total_loss(policy, batch, recipe, step())
        found = torch.autograd.grad(loss, leaves, allow_unused=True)
        results.append(
            [loss.detach(), *(torch.zeros_like(mask, dtype=torch.double) if g is None else g for g in found)]
        )
    for dirty_value, clean_value in zip(*reversed(results), strict=True):
        same(dirty_value, clean_value)


def check_no_advantage_no_policy_loss(recipe: Recipe, plain: Batch | None = None) -> None:
    """The trainer does not forward rollouts without advantage; nothing may be lost by that."""
    batch = weighed(recipe, plain)
    batch = replace(batch, advantage=torch.zeros_like(batch.advantage))
    policy = NEW(batch.tokens, batch.response_mask, recipe.signals)
    result = recipe.policy_loss(policy, batch, step())
    assert (result.loss == 0).all()
    assert all((value == 0).all() for value in result.metrics.values())
    (found,) = torch.autograd.grad(result.loss.sum(), NEW.table)
    assert (found == 0).all()


def gradient_side(recipe: Recipe, batch: Batch) -> list[Tensor]:
    policy = NEW(batch.tokens, batch.response_mask, recipe.signals)
    parts = [recipe.policy_loss, *recipe.auxiliary_losses]
    losses = [part(policy, batch, step()) for part in parts]
    return [
        policy.logprob,
        *policy.extra.values(),
        *(x.loss for x in losses),
        *(m for x in losses for m in x.metrics.values()),
    ]


def check_stateless(recipe: Recipe, plain: Batch | None = None) -> None:
    """The same inputs twice give the same outputs, bit for bit, and leave recipe and batch as they were."""
    batch = weighed(recipe, plain)
    recipe_before, batch_before = pickle.dumps(recipe), pickle.dumps(batch)
    first = [x.detach().clone() for x in gradient_side(recipe, batch)]
    second = gradient_side(recipe, batch)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert pickle.dumps(recipe) == recipe_before
    assert pickle.dumps(batch) == batch_before
    grown = ("signals", "policy_loss", "auxiliary_losses")
    assert not [part for part in recipe.stateful() if part.startswith(grown)], "memory belongs on the data side"


def check_pickles(recipe: Recipe, plain: Batch | None = None) -> None:
    twin = pickle.loads(pickle.dumps(recipe))
    same(gradient(twin, weighed(twin, plain)), gradient(recipe, weighed(recipe, plain)))


def check_metrics(recipe: Recipe, plain: Batch | None = None) -> None:
    """Each thing logged has a name of its own, and losses and metrics are per token."""
    batch = weighed(recipe, plain)
    policy = NEW(batch.tokens, batch.response_mask, recipe.signals)
    names = [*batch.annotations, *recipe.diagnose(batch, step())]
    for part in (recipe.policy_loss, *recipe.auxiliary_losses):
        result = part(policy, batch, step())
        assert result.loss.shape == batch.advantage.shape
        assert all(value.shape == batch.advantage.shape for value in result.metrics.values())
        names += result.metrics
    assert len(names) == len(set(names))


CHECKS = [
    check_micro_batches,
    check_padding,
    check_order,
    check_poisoned_padding,
    check_no_advantage_no_policy_loss,
    check_stateless,
    check_pickles,
    check_metrics,
]
