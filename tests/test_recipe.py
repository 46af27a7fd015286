from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch

from rlpipe.curricula.uniform import Uniform
from rlpipe.ops.reductions import token_mean
from rlpipe.ops.updates import mini_batches
from rlpipe.recipe import NAMED, ONE, ORDERED, Change, Recipe, load, parse_methods
from rlpipe.rewards.judge import verify_last_turn
from rlpipe.rewards.verified import verified
from rlpipe.samplers.independent import independent
from tests.toy import F1_MASK, f1, step


def one(*_, **__):
    return 1


def two(*_, **__):
    return 2


class Memory:
    """A part with memory: counts the steps it was told of."""

    def __init__(self):
        self.steps = 0

    def __call__(self, *_):
        return self.steps

    def observe(self, groups, batch, metrics):
        self.steps += 1
        self.told = (groups, batch, metrics)

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


def by(method, recipe=None):
    return replace(recipe or Recipe(), method=method)


def test_what_no_method_chooses_gets_the_default():
    recipe = load(["rloo"])
    assert isinstance(recipe.curriculum, Uniform)
    assert recipe.sampler is independent
    assert recipe.reward is verified
    assert load(["dapo"]).reduction is token_mean
    assert recipe.judge is verify_last_turn
    assert recipe.updates is mini_batches
    assert {recipe.filled_by[s] for s in ("curriculum", "sampler", "judge", "reward", "updates")} == {"default"}
    assert recipe.filled_by["reduction"] == "rloo"
    assert (recipe.needs, recipe.old, recipe.agents) == (set(), "start", ("policy",))


def test_a_default_gives_way_in_silence_and_may_be_wrapped_or_replaced():
    base = by("default").choose(reward=one)
    assert by("chooser", base).choose(reward=two).reward is two
    assert by("chooser", base).choose(reward=two).changes == ()
    with pytest.raises(ValueError, match="'reward' is filled twice: by chooser and by other"):
        by("other", by("chooser", base).choose(reward=two)).choose(reward=one)
    wrapped, replaced = by("a", base).wrap(reward=two), by("b", base).override(reward=two)
    assert [str(c) for c in (*wrapped.changes, *replaced.changes)] == [
        "a wraps default's reward",
        "b replaces default's reward",
    ]
    assert wrapped.reward.keywords["inner"] is one
    assert replaced.reward is two


def test_recipes_do_not_share_memory():
    assert load(["grpo"]).curriculum is not load(["grpo"]).curriculum


def test_the_stack_of_the_design_works_as_written():
    recipe = load(["grpo", {"kl_cov": {"fraction": 0.02}}])
    assert recipe.annotations[0].keywords["fraction"] == 0.02
    assert recipe.filled_by["advantage"] == "grpo"


def test_a_slot_filled_twice_names_both():
    filled = by("first").choose(advantage=one)
    with pytest.raises(ValueError, match="'advantage' is filled twice: by first and by second"):
        by("second", filled).choose(advantage=two)
    with pytest.raises(ValueError, match="filled twice: by grpo and by dr_grpo"):
        load(["grpo", "dr_grpo"])


def test_override_replaces_once_and_is_recorded():
    recipe = by("changer", by("base").choose(policy_loss=one)).override(policy_loss=two)
    assert recipe.policy_loss is two
    assert recipe.changes == (Change("changer", "replaces", "base", "policy_loss"),)
    assert str(recipe.changes[0]) == "changer replaces base's policy_loss"
    with pytest.raises(ValueError, match="filled twice: by changer and by other"):
        by("other", recipe).override(policy_loss=one)
    with pytest.raises(ValueError, match="changer changes 'reward', which no method before it fills"):
        by("changer").override(reward=one)


def test_wraps_pile_up_and_keep_what_they_wrap():
    def plus(value, *, inner):
        return inner(value) + 1

    def double(value, *, inner):
        return 2 * inner(value)

    base = by("base").choose(advantage=lambda value: value)
    recipe = by("b", by("a", base).wrap(advantage=plus)).wrap(advantage=double)
    assert recipe.advantage(10) == 22
    assert [*map(str, recipe.changes)] == ["a wraps base's advantage", "b wraps a's advantage"]
    with pytest.raises(ValueError, match="filled twice: by b and by c"):
        by("c", recipe).override(advantage=one)
    with pytest.raises(ValueError, match="no method before it fills"):
        by("a").wrap(advantage=plus)


def test_ordered_slots_keep_the_order_and_named_ones_their_names():
    recipe = Recipe().add(annotations=one, diagnostics={"x": one}).add(annotations=two, diagnostics={"y": two})
    assert recipe.annotations == (one, two)
    assert list(recipe.diagnostics) == ["x", "y"]
    for slot in NAMED:
        recipe = Recipe().add(**{slot: {"x": one, "y": two}})
        with pytest.raises(ValueError, match=rf"{slot} already has \['y'\]; late adds it again"):
            by("late", recipe).add(**{slot: {"y": one}})


def test_slots_of_the_design_by_kind():
    ones = "curriculum sampler judge reward advantage updates reduction policy_loss"
    ordered = "reward_shaping selection advantage_shaping annotations token_weights auxiliary_losses model_transforms"
    assert " ".join(ONE) == ones
    assert " ".join(ORDERED) == ordered
    assert NAMED == ("reward_terms", "diagnostics", "signals")


def test_needs_and_agents_are_gathered_once_each():
    recipe = Recipe().need("reference").need("current").with_agents("asker", "policy").with_agents("asker")
    assert recipe.needs == {"reference", "current"}
    assert recipe.agents == ("policy", "asker")
    assert (Recipe().old, recipe.recorded().old) == ("start", "recorded")


def test_verbs_refuse_slots_of_another_kind():
    with pytest.raises(ValueError, match="'token_weights' is not a single slot; single slots: curriculum"):
        Recipe().choose(token_weights=one)
    with pytest.raises(ValueError, match="'advantage' cannot be added to; use choose"):
        Recipe().add(advantage=one)
    with pytest.raises(ValueError, match="'nonsense' is not a single slot"):
        Recipe().override(nonsense=one)


def test_memory_is_found_inside_partials_and_wraps_once():
    shared, own = Memory(), Memory()
    recipe = by("base").choose(advantage=partial(one, level=shared), curriculum=own)
    recipe = by("outer", recipe).wrap(advantage=two).add(token_weights=partial(one, shared))
    assert recipe.state_dict() == {"curriculum": {"steps": 0}, "advantage.inner.level": {"steps": 0}}
    recipe.observe(["groups"], "batch", {"reward": 1.0})
    assert (shared.steps, own.steps) == (1, 1)
    assert shared.told == own.told == (["groups"], "batch", {"reward": 1.0})
    recipe.load_state_dict({"curriculum": {"steps": 5}, "advantage.inner.level": {"steps": 7}})
    assert (shared.steps, own.steps) == (7, 5)


def test_diagnostics_average_over_rollouts_or_response_tokens():
    def share(batch, at):
        return batch.correct

    def first_column(batch, at):
        return torch.tensor([[True, False, False, False]]).expand_as(batch.response_mask)

    recipe = Recipe().add(diagnostics={"share": share, "tokens": first_column})
    assert recipe.diagnose(f1(), step()) == {"share": 0.5, "tokens": 4 / 13}
    empty = f1(response_mask=torch.zeros_like(F1_MASK))
    assert recipe.diagnose(empty, step())["tokens"] == 0.0


def test_methods_as_written_in_yaml():
    written = ["grpo", {"kl_cov": {"fraction": 0.02}}, {"tis": None}]
    assert parse_methods(written) == [("grpo", {}), ("kl_cov", {"fraction": 0.02}), ("tis", {})]
