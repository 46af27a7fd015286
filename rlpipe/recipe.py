# ruff: noqa: RUF009 - the calls make dataclass fields
"""A recipe: what a published method decides. The trainer decides everything else.

A method is a function `method(recipe, *, hyperparameters) -> recipe` in `rlpipe/methods/<name>.py`. A base method fills
single slots (`choose`); any method extends ordered and named ones (`add`); a modifier may put a function in place of
what is there (`override`) or around it (`wrap`). Nothing is filled twice in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from importlib import import_module
from typing import Any, Literal

from rlpipe.params.signatures import DEFAULTED, Methods, nothing_to_change, parse_methods, resolve, twice

__all__ = ["NAMED", "ONE", "ORDERED", "Change", "Recipe", "load", "parse_methods"]

Slot = Callable[..., Any]
Need = Literal["reference", "current"]


def one() -> Any:
    return field(default=None, metadata={"slot": "one"})


def ordered() -> Any:
    return field(default=(), metadata={"slot": "ordered"})


def named() -> Any:
    return field(default_factory=dict, metadata={"slot": "named"})


@dataclass(frozen=True)
class Change:
    """What a modifier did to a slot, and whose function stood there."""

    method: str
    verb: Literal["replaces", "wraps"]
    of: str
    slot: str

    def __str__(self) -> str:
        return f"{self.method} {self.verb} {self.of}'s {self.slot}"


@dataclass(frozen=True)
class Recipe:
    """The slots of a training step. Signatures are in `docs/slots.md`; the order of use in `train/step.py`."""

    # Data side: the whole step, no gradient, may hold state.
    curriculum: Slot | None = one()  # (pool, n, step) -> prompts
    sampler: Slot | None = one()  # async (prompts, engines, plan) -> groups
    judge: Slot | None = one()  # (groups, step) -> groups with verdicts
    reward_terms: Mapping[str, Slot] = named()  # (groups, step) -> [G] each; kept and logged
    reward: Slot | None = one()  # (groups, step) -> [G] each
    reward_shaping: tuple[Slot, ...] = ordered()  # (groups, step) -> [G] each
    selection: tuple[Slot, ...] = ordered()  # (groups, step) -> groups
    advantage: Slot | None = one()  # (batch, step) -> [B T]
    advantage_shaping: tuple[Slot, ...] = ordered()  # (batch, step) -> [B T]
    updates: Slot | None = one()  # (batch, step) -> iterator of batches
    annotations: tuple[Slot, ...] = ordered()  # (batch, step) -> {name: [B T]}; boolean ones are logged
    token_weights: tuple[Slot, ...] = ordered()  # (batch, step) -> [B T], multiplied, policy loss only
    reduction: Slot | None = one()  # (batch, step) -> [B T], all losses without a weight of their own
    diagnostics: Mapping[str, Slot] = named()  # (batch, step) -> [B] or [B T]; only logged
    # Gradient side: a micro-batch, stateless.
    signals: Mapping[str, Slot] = named()  # (readout) -> [n]
    policy_loss: Slot | None = one()  # (policy, batch, step) -> TokenLoss
    auxiliary_losses: tuple[Slot, ...] = ordered()  # the same, summed
    # Set-up, once.
    model_transforms: tuple[Slot, ...] = ordered()  # (model) -> model; folded away when a policy is saved
    agents: tuple[str, ...] = ("policy",)  # who writes rollouts; each has weights and an optimizer of its own
    needs: frozenset[Need] = frozenset()  # what costs a forward pass
    old: Literal["start", "recorded"] = "start"  # a ratio's denominator: measured now, or what the rollout carries
    filled_by: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    method: str = ""

    def choose(self, **slots: Slot) -> Recipe:
        """Fill single slots.

        Raises: ValueError if a method has filled a slot before (naming both fillers), or it is no single slot.
        """
        for name in slots:
            self._single(name)
            filler = self.filled_by.get(name, "default")
            if filler != "default":
                raise ValueError(twice(name, filler, self.method or "?"))
        return self._filled(slots)

    def override(self, **slots: Slot) -> Recipe:
        """Put a function in place of what fills a slot; recorded in `changes`.

        Raises: ValueError if the slot is empty, or if another modifier has changed it (naming both).
        """
        for name in slots:
            self._changeable(name)
            before = next((c.method for c in reversed(self.changes) if c.slot == name), None)
            if before is not None:
                raise ValueError(twice(name, before, self.method or "?"))
        return replace(self._filled(slots), changes=self.changes + self._noted("replaces", slots))

    def wrap(self, **slots: Slot) -> Recipe:
        """Put a function around what fills a slot, which it is called with as `inner`; recorded in `changes`.

        Raises: ValueError if the slot is empty.
        """
        for name in slots:
            self._changeable(name)
        wrapped = {name: partial(outer, inner=getattr(self, name)) for name, outer in slots.items()}
        return replace(self._filled(wrapped), changes=self.changes + self._noted("wraps", slots))

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

    def need(self, *what: Need) -> Recipe:
        """Ask for signals that cost a forward pass: `batch.reference`, or `batch.current` before each update."""
        return replace(self, needs=self.needs | frozenset(what))

    def recorded(self) -> Recipe:
        """Take ratios against the log-probabilities that rollouts carry: for stale and replayed ones."""
        return replace(self, old="recorded")

    def with_agents(self, *names: str) -> Recipe:
        """Agents beside `policy`, each with weights, optimizer and engine of its own."""
        return replace(self, agents=tuple(dict.fromkeys((*self.agents, *names))))

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

    def parts(self) -> Iterator[tuple[str, Any]]:
        """Every filled slot's function, with a stable name; functions inside a `partial` are reached through it."""
        for name in (f.name for f in fields(self) if "slot" in f.metadata):
            value = getattr(self, name)
            if name in ONE and value is not None:
                yield name, value
            elif name in ORDERED:
                yield from ((f"{name}.{i}", part) for i, part in enumerate(value))
            elif name in NAMED:
                yield from ((f"{name}.{key}", part) for key, part in value.items())

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

    def observe(self, groups: Sequence[Any], batch: Any, metrics: Mapping[str, Any]) -> None:
        """Tell every part with memory what the step brought: the only edge that points back."""
        for part in self.stateful().values():
            part.observe(groups, batch, metrics)

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.stateful().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name, part in self.stateful().items():
            part.load_state_dict(state[name])

    def _single(self, name: str) -> None:
        if name not in ONE:
            raise ValueError(f"'{name}' is not a single slot; single slots: {', '.join(ONE)}")

    def _changeable(self, name: str) -> None:
        self._single(name)
        if getattr(self, name) is None:
            raise ValueError(nothing_to_change(name, self.method or "?"))

    def _noted(self, verb: Literal["replaces", "wraps"], slots: Mapping[str, Any]) -> tuple[Change, ...]:
        return tuple(Change(self.method or "?", verb, self.filled_by[name], name) for name in slots)

    def _filled(self, slots: Mapping[str, Any]) -> Recipe:
        return replace(self, **slots, filled_by={**self.filled_by, **dict.fromkeys(slots, self.method or "?")})


def _slots(kind: str) -> tuple[str, ...]:
    return tuple(f.name for f in fields(Recipe) if f.metadata.get("slot") == kind)


ONE, ORDERED, NAMED = _slots("one"), _slots("ordered"), _slots("named")


def _unwrap(part: Any) -> Iterator[tuple[str, Any]]:
    """The function itself, and what a `partial` binds."""
    if not isinstance(part, partial):
        yield "", part
        return
    yield from _unwrap(part.func)
    for key, value in (*part.keywords.items(), *enumerate(part.args)):
        yield from ((f".{key}{suffix}", inner) for suffix, inner in _unwrap(value))


def load(methods: Methods, artifacts: Mapping[str, str] | None = None) -> Recipe:
    """Compose methods left to right into a complete recipe; what none of them chooses stays at its default.

    Defaults: prompts in shuffled epochs, rollouts independent, the last turn verified and rewarded, losses averaged over
    tokens, mini-batches of whole groups. `artifacts` are directories by artifact name, for hyperparameters that name one.
    Raises: ValueError for an unknown method or hyperparameter, a value of the wrong type or out of range, a slot that
    two methods fill, and a list that fills no advantage or no policy loss.
    """
    recipe = _defaults()
    for name, values in resolve(methods, artifacts):
        method = getattr(import_module(f"rlpipe.methods.{name}"), name)
        recipe = method(replace(recipe, method=name), **values)
    return replace(recipe, method="")


def _defaults() -> Recipe:
    # Here, not above: the recipe's own module stays free of torch, as params.yaml is checked without it.
    from rlpipe.curricula.uniform import Uniform
    from rlpipe.ops.reductions import token_mean
    from rlpipe.ops.updates import mini_batches
    from rlpipe.rewards.judge import verify_last_turn
    from rlpipe.rewards.verified import verified
    from rlpipe.samplers.independent import independent

    parts: tuple[Slot, ...] = (Uniform(), independent, verify_last_turn, verified, mini_batches, token_mean)
    return Recipe(method="default").choose(**dict(zip(DEFAULTED, parts, strict=True)))
