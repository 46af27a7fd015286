"""A recipe: what a published method decides. The trainer decides everything else.

A method is a function `method(recipe, *, hyperparameters) -> recipe` in `rlpipe/methods/<name>.py` that fills single
slots (`choose`) or extends ordered and named ones (`add`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from importlib import import_module
from typing import Any

from pydantic import ConfigDict, ValidationError, validate_call

ONE = ("curriculum", "sampler", "reward", "advantage", "reduction", "policy_loss")
ORDERED = (
    "reward_shaping",
    "group_filters",
    "advantage_shaping",
    "token_weights",
    "auxiliary_losses",
    "model_transforms",
)
NAMED = ("annotations", "signals")

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
    annotations: Mapping[str, Slot] = field(default_factory=dict)  # (batch, step) -> [B T]
    token_weights: tuple[Slot, ...] = ()  # (batch, step) -> [B T], multiplied, policy loss only
    reduction: Slot | None = None  # (batch) -> [B T], all losses
    # Gradient side: a micro-batch, stateless.
    signals: Mapping[str, Slot] = field(default_factory=dict)  # (logits [b T V], tokens [b T]) -> [b T]
    policy_loss: Slot | None = None  # (policy, batch, step) -> TokenLoss
    auxiliary_losses: tuple[Slot, ...] = ()  # the same, summed
    # Set-up, once.
    model_transforms: tuple[Slot, ...] = ()  # (model) -> model
    needs_reference: bool = False
    filled_by: Mapping[str, str] = field(default_factory=dict)
    method: str = ""

    def choose(self, **slots: Slot) -> Recipe:
        """Fill single slots.

        Raises: ValueError if a slot is already filled (naming both fillers) or is no single slot.
        """
        for name in slots:
            if name not in ONE:
                raise ValueError(f"'{name}' is not a single slot; single slots: {', '.join(ONE)}")
            if getattr(self, name) is not None:
                raise ValueError(
                    f"slot '{name}' is filled twice: by {self.filled_by.get(name, '?')} and by {self.method or '?'}; "
                    f"leave one of the two out of the run's methods"
                )
        return replace(self, **slots, filled_by={**self.filled_by, **dict.fromkeys(slots, self.method)})

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
                    raise ValueError(f"{name} already has {sorted(taken)}; {self.method or 'this method'} adds it again")
                grown[name] = {**getattr(self, name), **value}
            else:
                raise ValueError(f"'{name}' cannot be added to; use choose() or one of {', '.join(ORDERED + NAMED)}")
        return replace(self, **grown)

    def with_reference(self) -> Recipe:
        """Ask for the frozen reference policy: `batch.reference` is then filled."""
        return replace(self, needs_reference=True)

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
    yield from ((f".{key}", value) for key, value in part.keywords.items())
    yield from ((f".{i}", value) for i, value in enumerate(part.args))


def parse_methods(methods: Sequence[str | Mapping[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """`[grpo, {kl_cov: {fraction: 0.02}}]` as (name, hyperparameters) pairs."""
    pairs: list[tuple[str, dict[str, Any]]] = []
    for entry in methods:
        if isinstance(entry, str):
            pairs.append((entry, {}))
        else:
            pairs.extend((name, dict(values or {})) for name, values in entry.items())
    return pairs


def load(methods: Sequence[str | Mapping[str, Any]]) -> Recipe:
    """Compose methods left to right.

    Raises: ModuleNotFoundError for an unknown method; ValueError for a hyperparameter that is unknown, of the wrong type
    or out of range, and for two methods that fill one slot.
    """
    recipe = Recipe()
    for name, values in parse_methods(methods):
        method = getattr(import_module(f"rlpipe.methods.{name}"), name)
        checked = validate_call(method, config=ConfigDict(arbitrary_types_allowed=True))
        try:
            recipe = checked(replace(recipe, method=name), **values)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise ValueError(f"method {name}: {problems}") from error
    return recipe
