"""What methods take, read from their files without importing them: names, types, defaults, and the slots they fill.

So a run's methods are checked while `params.yaml` is read, in milliseconds and without torch.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rlpipe.params import hyperparameters
from rlpipe.params.hyperparameters import Linear, describe

FOLDER = Path(__file__).parents[1] / "methods"
VERBS = ("choose", "override", "wrap", "add")
NEEDED = ("advantage", "policy_loss")
DEFAULTED = ("curriculum", "sampler", "judge", "reward", "updates", "reduction")  # filled where no method fills them

# A list of names and `{name: {hyperparameter: value}}`, as written in YAML: checked here, whatever it is.
Methods = Any


@dataclass(frozen=True)
class Hyperparameter:
    """A keyword of a method: its type as written, and the published value."""

    name: str
    annotation: str
    default: Any

    @property
    def type(self) -> Any:
        return eval(self.annotation, dict(vars(hyperparameters)))

    @property
    def is_artifact(self) -> bool:
        return self.annotation == "Artifact"


@dataclass(frozen=True)
class Method:
    """A method file: its first sentence, its paper, its keywords, and the slots named in its calls, by verb."""

    name: str
    summary: str
    paper: str
    hyperparameters: Mapping[str, Hyperparameter]
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_method(path: Path) -> Method:
    """Raises: ValueError if the file has no function of its name, or no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    text = ast.get_docstring(tree)
    if path.stem not in functions or not text:
        raise ValueError(f"{path}: a method file needs a docstring and a function named {path.stem}(recipe, *, ...)")
    function = functions[path.stem]
    paper = re.search(r"arXiv:(\d{4}\.\d{4,5})", text)
    return Method(
        path.stem,
        re.sub(r"\s*arXiv:\S+$", "", " ".join(text.split("\n\n")[0].split())),
        f"arXiv:{paper[1]}" if paper else "",
        {h.name: h for h in _keywords(function)},
        {verb: tuple(_slots(function, verb)) for verb in VERBS},
    )


def _keywords(function: ast.FunctionDef) -> Iterable[Hyperparameter]:
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        if argument.annotation is None or default is None:
            raise ValueError(f"{function.name}: hyperparameter '{argument.arg}' needs a type and a published default")
        yield Hyperparameter(argument.arg, ast.unparse(argument.annotation), ast.literal_eval(default))


def _slots(function: ast.FunctionDef, verb: str) -> Iterable[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == verb:
            yield from (keyword.arg for keyword in node.keywords if keyword.arg)


@cache
def read_methods(folder: Path = FOLDER) -> dict[str, Method]:
    """Every method found in the folder, by file name."""
    return {path.stem: read_method(path) for path in sorted(folder.glob("[!_]*.py"))}


def parse_methods(methods: Methods) -> list[tuple[str, dict[str, Any]]]:
    """`[grpo, {kl_cov: {fraction: 0.02}}]` as (name, hyperparameters) pairs.

    Raises: ValueError for anything but a list of names and `{name: {hyperparameter: value}}`.
    """
    if isinstance(methods, str | Mapping) or not isinstance(methods, Sequence):
        raise ValueError(f"methods must be a list such as [grpo, {{kl_cov: {{fraction: 0.02}}}}], not {methods!r}")
    pairs: list[tuple[str, dict[str, Any]]] = []
    for entry in methods:
        items = {entry: None} if isinstance(entry, str) else entry
        if not isinstance(items, Mapping) or not all(v is None or isinstance(v, Mapping) for v in items.values()):
            raise ValueError(f"method {entry!r} is neither a name nor {{name: {{hyperparameter: value}}}}")
        pairs.extend((name, dict(values or {})) for name, values in items.items())
    return pairs


def resolve(methods: Methods, artifacts: Mapping[str, str] | None = None) -> list[tuple[str, dict[str, Any]]]:
    """The methods in order, each with all its hyperparameters: those given, validated, and published defaults.

    With `artifacts`, directories by artifact name, what names an artifact becomes its directory.

    Raises: ValueError for an unknown or repeated method, an unknown hyperparameter, a value of the wrong type or out of
    range, a slot filled twice, and a stack without a base method. The message says what would be valid.
    """
    known = read_methods()
    resolved: list[tuple[str, dict[str, Any]]] = []
    for name, values in parse_methods(methods):
        if name not in known:
            raise ValueError(f"unknown method '{name}'{_did_you_mean(name, known)} Methods: {', '.join(known)}")
        if name in dict(resolved):
            raise ValueError(f"method '{name}' is listed twice; keep one of the two")
        resolved.append((name, _placed(known[name], _values(known[name], values), artifacts)))
    _check_slots([known[name] for name, _ in resolved])
    return resolved


def _placed(method: Method, values: Mapping[str, Any], artifacts: Mapping[str, str] | None) -> dict[str, Any]:
    """The values with the directories of artifacts in place of their names, where those are known."""
    names = [h.name for h in method.hyperparameters.values() if h.is_artifact and values[h.name] is not None]
    return {**values, **{name: artifacts[values[name]] for name in names if artifacts is not None}}


def artifacts_named(methods: Methods) -> list[str]:
    """Artifacts that the hyperparameters of methods name: they become inputs of the run. Raises: as `resolve`."""
    known = read_methods()
    pairs = [
        (known[name].hyperparameters[h], value) for name, values in resolve(methods) for h, value in values.items()
    ]
    return list(dict.fromkeys(value for h, value in pairs if h.is_artifact and value is not None))


def check_methods(methods: Methods) -> None:
    """Raises: ValueError as `resolve` does."""
    resolve(methods)


def resolved_methods(methods: Methods) -> list[dict[str, dict[str, Any]]]:
    """`resolve` in the words of params.yaml, for the run's receipt. Raises: ValueError as `resolve` does."""
    plain = {Linear: asdict}
    return [{name: {k: plain.get(type(v), _same)(v) for k, v in values.items()}} for name, values in resolve(methods)]


def methods_table() -> list[dict[str, str]]:
    """A row per method: method, slots, paper, defaults and what it changes; for `rlpipe methods` and the README."""
    return [
        {
            "method": m.name,
            "slots": ", ".join(f"{slot}{_MARK[verb]}" for verb in VERBS for slot in dict.fromkeys(m.slots[verb])),
            "paper": m.paper,
            "defaults": ", ".join(f"{h.name}={h.default}" for h in m.hyperparameters.values()),
            "changes": m.summary,
        }
        for m in read_methods().values()
    ]


_MARK = {"choose": "", "override": " (replaced)", "wrap": " (wrapped)", "add": " (added to)"}


def _same(value: Any) -> Any:
    return value


def _values(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    takes = method.hyperparameters
    for name in given:
        if name not in takes:
            valid = ", ".join(takes) or "none"
            raise ValueError(
                f"method {method.name} has no hyperparameter '{name}'{_did_you_mean(name, takes)} It takes: {valid}"
            )
    return {name: _value(method, h, given.get(name, h.default)) for name, h in takes.items()}


def _value(method: Method, hyperparameter: Hyperparameter, value: Any) -> Any:
    kind = hyperparameter.type
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(
            f"method {method.name}: {hyperparameter.name} = {value!r} is not {describe(kind)}; "
            f"published: {hyperparameter.default!r}"
        ) from error


def _check_slots(methods: Sequence[Method]) -> None:
    """Who fills what, as the recipe will find when it is composed; found here without importing anything."""
    filled = dict.fromkeys(DEFAULTED, "default")
    changed: dict[str, str] = {}
    for method in methods:
        for slot in method.slots["choose"]:
            if filled.get(slot, "default") != "default":
                raise ValueError(twice(slot, filled[slot], method.name))
            filled[slot] = method.name
        for slot in (*method.slots["override"], *method.slots["wrap"]):
            if slot not in filled:
                raise ValueError(nothing_to_change(slot, method.name))
        for slot in method.slots["override"]:
            if slot in changed:
                raise ValueError(twice(slot, changed[slot], method.name))
        changes = dict.fromkeys((*method.slots["override"], *method.slots["wrap"]), method.name)
        filled, changed = filled | changes, changed | changes
    missing = [slot for slot in NEEDED if slot not in filled]
    if missing:
        listed = ", ".join(m.name for m in methods) or "no method"
        raise ValueError(f"{listed} leaves {' and '.join(missing)} unfilled; start with one of: {', '.join(bases())}")


def bases() -> list[str]:
    """Methods that are complete by themselves; the others modify one of them."""
    return [m.name for m in read_methods().values() if set(NEEDED) <= set(m.slots["choose"])]


def twice(slot: str, first: str, second: str) -> str:
    """The message for a slot that two methods fill."""
    return f"slot '{slot}' is filled twice: by {first} and by {second}; leave one of the two out of the run's methods"


def nothing_to_change(slot: str, method: str) -> str:
    """The message for a modifier listed before, or without, the method it modifies."""
    return f"{method} changes '{slot}', which no method before it fills; list a base method first: {', '.join(bases())}"


def _did_you_mean(name: str, valid: Iterable[str]) -> str:
    close = get_close_matches(str(name), list(valid), n=1)
    return f"; did you mean '{close[0]}'?" if close else "."
