"""A recipe: what a published method decides. The trainer decides everything else.

A method is a function `method(recipe, *, hyperparameters) -> recipe` in `rlpipe/methods/<name>.py`. A base method fills
single slots (`choose`); any method extends ordered and named ones (`add`); a modifier may put a function in place of
what a base filled (`override`) or around it (`wrap`). Nothing is filled twice in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from importlib import import_module
from typing import Any

from rlpipe.params.signatures import Methods, nothing_to_change, parse_methods, resolve, twice

__all__ = ["NAMED", "ONE", "ORDERED", "Recipe", "load", "parse_methods"]

ONE = ("curriculum", "sampler", "reward", "advantage", "reduction", "policy_loss")
ORDERED = (
    "reward_shaping",
    "group_filters",
    "advantage_shaping",
    "token_weights",
    "auxiliary_losses",
    "model_transforms",
)
NAMED = ("annotations", "signals", "diagnostics")

Slot = Callable[..., Any]


@dataclass(frozen=True)
class Recipe:
    """The slots of a training step. Signatures are in `docs/slots.md`; the order of use in `train/step.py`."""

    # Data side: the whole step, no gradient, may hold state.
    curriculum: Slot | None = None  # (pool, n, step) -> prompts
    sampler: Slot | None = None  # (prompts, engine, step) -> groups
    reward: Slot | None = None  # (groups) -> [G] each
    reward_shaping: tuple[Slot, ...] = ()  # (groups, rewards) -> rewards
    group_filters: tuple[Slot, ...] = ()  # (group) -> bool
    advantage: Slot | None = None  # (batch, step) -> [B T]
    advantage_shaping: tuple[Slot, ...] = ()  # (advantage, batch, step) -> [B T]
    annotations: Mapping[str, Slot] = field(default_factory=dict)  # (batch, step) -> [B T]; boolean ones are logged
    token_weights: tuple[Slot, ...] = ()  # (batch, step) -> [B T], multiplied, policy loss only
    reduction: Slot | None = None  # (batch) -> [B T], all losses
    diagnostics: Mapping[str, Slot] = field(default_factory=dict)  # (batch, step) -> [B] or [B T]; only logged
    # Gradient side: a micro-batch, stateless.
    signals: Mapping[str, Slot] = field(default_factory=dict)  # (logits [b T V], tokens [b T]) -> [b T]
    policy_loss: Slot | None = None  # (policy, batch, step) -> TokenLoss
    auxiliary_losses: tuple[Slot, ...] = ()  # the same, summed
    # Set-up, once.
    model_transforms: tuple[Slot, ...] = ()  # (model) -> model
    needs_reference: bool = False
    filled_by: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    method: str = ""

    def choose(self, **slots: Slot) -> Recipe:
        """Fill single slots.

        Raises: ValueError if a slot is already filled (naming both fillers) or is no single slot.
        """
        for name in slots:
            self._single(name)
            if getattr(self, name) is not None:
                raise ValueError(twice(name, self.filled_by.get(name, "?"), self.method or "?"))
        return self._filled(slots)

    def override(self, **slots: Slot) -> Recipe:
        """Put a function in place of what a base method filled; recorded in `changes`.

        Raises: ValueError if the slot is empty, or if another modifier has changed it (naming both).
        """
        for name in slots:
            self._changeable(name)
            if self._changed(name):
                raise ValueError(twice(name, self._changed(name), self.method or "?"))
        notes = tuple(f"{self.method} replaces {self.filled_by[name]}'s {name}" for name in slots)
        return replace(self._filled(slots), changes=self.changes + notes)

    def wrap(self, **slots: Slot) -> Recipe:
        """Put a function around what fills a slot, which it is called with as `inner`; recorded in `changes`.

        Raises: ValueError if the slot is empty.
        """
        for name in slots:
            self._changeable(name)
        wrapped = {name: partial(outer, inner=getattr(self, name)) for name, outer in slots.items()}
        notes = tuple(f"{self.method} wraps {self.filled_by[name]}'s {name}" for name in slots)
        return replace(self._filled(wrapped), changes=self.changes + notes)

    def add(self, **slots: Any) -> Recipe:
        """Append a function to an ordered slot, or a `{name: function}` to a named one.

        Raises: ValueError on a name taken before, or on a slot that cannot be added to.
        """
        grown: dict[str, Any] = {}
        for name, value in slots.items():
            if name in ORDERED:
                grown[name] = (*getattr(self, name), value)
            elif name in NAMED:
                taken = set(getattr(self, name)) & set(value)
                if taken:
                    raise ValueError(
                        f"{name} already has {sorted(taken)}; {self.method or 'this method'} adds it again"
                    )
                grown[name] = {**getattr(self, name), **value}
            else:
                raise ValueError(f"'{name}' cannot be added to; use choose() or one of {', '.join(ORDERED + NAMED)}")
        return replace(self, **grown)

    def with_reference(self) -> Recipe:
        """Ask for the frozen reference policy: `batch.reference` is then filled."""
        return replace(self, needs_reference=True)

    def diagnose(self, batch: Any, step: Any) -> dict[str, float]:
        """What data-side parts have to say of the step: means over rollouts, or over response tokens; only logged.

        Called once per step, after the advantage, with the whole batch.
        """
        found: dict[str, float] = {}
        for name, part in self.diagnostics.items():
            value = part(batch, step).double()
            selected = value[batch.response_mask] if value.dim() > 1 else value
            found[name] = float(selected.mean()) if selected.numel() else 0.0
        return found

    def _single(self, name: str) -> None:
        if name not in ONE:
            raise ValueError(f"'{name}' is not a single slot; single slots: {', '.join(ONE)}")

    def _changeable(self, name: str) -> None:
        self._single(name)
        if getattr(self, name) is None:
            raise ValueError(nothing_to_change(name, self.method or "?"))

    def _changed(self, name: str) -> str:
        """Who changed the slot last, or nothing."""
        return next((note.split()[0] for note in reversed(self.changes) if note.endswith(f"'s {name}")), "")

    def _filled(self, slots: Mapping[str, Any]) -> Recipe:
        return replace(self, **slots, filled_by={**self.filled_by, **dict.fromkeys(slots, self.method or "?")})

    def parts(self) -> Iterator[tuple[str, Any]]:
        """Every filled slot's function, with a stable name; functions inside a `partial` are reached through it."""
        for f in fields(self):
            if f.name in ONE and getattr(self, f.name) is not None:
                yield f.name, getattr(self, f.name)
            elif f.name in ORDERED:
                yield from ((f"{f.name}.{i}", part) for i, part in enumerate(getattr(self, f.name)))
            elif f.name in NAMED:
                yield from ((f"{f.name}.{key}", part) for key, part in getattr(self, f.name).items())

    def stateful(self) -> dict[str, Any]:
        """The parts with memory, by name. An object shared by several slots appears once, under the first."""
        found: dict[str, Any] = {}
        seen: set[int] = set()
        for name, part in self.parts():
            for suffix, candidate in _unwrap(part):
                if hasattr(candidate, "state_dict") and id(candidate) not in seen:
                    seen.add(id(candidate))
                    found[name + suffix] = candidate
        return found

    def observe(self, groups: Sequence[Any], batch: Any) -> None:
        """Tell every part with memory what the step brought: the only edge that points back."""
        for part in self.stateful().values():
            part.observe(groups, batch)

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.stateful().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, part in self.stateful().items():
            part.load_state_dict(state[name])


def _unwrap(part: Any) -> Iterator[tuple[str, Any]]:
    """The function itself, and what a `partial` binds."""
    if not isinstance(part, partial):
        yield "", part
        return
    yield from _unwrap(part.func)
    for key, value in (*part.keywords.items(), *enumerate(part.args)):
        yield from ((f".{key}{suffix}", inner) for suffix, inner in _unwrap(value))


def load(methods: Methods) -> Recipe:
    """Compose methods left to right into a complete recipe; what none of them chooses gets the default.

    Defaults: prompts in shuffled epochs, rollouts independent, reward verified, losses averaged over tokens.
    Raises: ValueError for an unknown method or hyperparameter, a value of the wrong type or out of range, a slot that
    two methods fill, and a list that fills no advantage or no policy loss.
    """
    recipe = Recipe()
    for name, values in resolve(methods):
        method = getattr(import_module(f"rlpipe.methods.{name}"), name)
        recipe = method(replace(recipe, method=name), **values)
    return _with_defaults(replace(recipe, method="default"))


def _with_defaults(recipe: Recipe) -> Recipe:
    # Here, not above: the recipe's own module stays free of torch, as params.yaml is checked without it.
    from rlpipe.curricula.uniform import Uniform
    from rlpipe.ops.reductions import token_mean
    from rlpipe.rewards.verified import verified
    from rlpipe.samplers.independent import independent

    defaults: dict[str, Slot] = {
        "curriculum": Uniform(),
        "sampler": independent,
        "reward": verified,
        "reduction": token_mean,
    }
    return recipe.choose(**{name: part for name, part in defaults.items() if getattr(recipe, name) is None})
