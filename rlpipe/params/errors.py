"""Errors of params.yaml in words of the file: its keys, its values, what is valid instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, Tag, ValidationError

EXPONENT_WITHOUT_POINT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def numbers_read_as_text(value: Any, key: str = "") -> Iterator[str]:
    """A line for every text below `value` that was meant as a number: of `2e-4` YAML makes text."""
    if isinstance(value, str) and EXPONENT_WITHOUT_POINT.fullmatch(value):
        mantissa, _, exponent = value.lower().partition("e")
        number = f"{mantissa.rstrip('.') if '.' not in mantissa else mantissa}{'' if '.' in mantissa else '.0'}"
        sign = "" if exponent[0] in "+-" else "+"
        yield f"{key} = {value}: YAML reads this as text, not as a number; write {number}e{sign}{exponent}"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from numbers_read_as_text(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from numbers_read_as_text(item, f"{key}[{i}]")


def findings(error: ValidationError, config: Mapping[str, Any], model: type[BaseModel]) -> list[str]:
    """What pydantic found in `config`, which should be a `model`: a line each."""
    found = error.errors()
    places = [problem["loc"] for problem in found]

    def echo(place: tuple[Any, ...], kind: str) -> bool:
        """A list whose members are wrong counts as too short, which is no news."""
        return kind == "too_short" and any(other[: len(place)] == place for other in places if len(other) > len(place))

    return [_readable(problem, config, model) for problem in found if not echo(problem["loc"], problem["type"])]


def _readable(problem: Mapping[str, Any], config: Mapping[str, Any], model: type[BaseModel]) -> str:
    """One of pydantic's findings about `config`, which should be a `model`, in one line."""
    loc, kind, value = problem["loc"], problem["type"], problem.get("input")
    key = _key(loc, config)
    if kind == "extra_forbidden":
        return f"{key}: unknown key{did_you_mean(str(loc[-1]), _valid_keys(loc[:-1], model))}"
    if kind == "missing":
        return f"{key}: missing; it has no default"
    message = problem["msg"].removeprefix("Value error, ")
    shown = f" = {json.dumps(value, default=str)}" if isinstance(value, str | int | float | bool | None) else ""
    return f"{key}{shown}: {message[:1].lower()}{message[1:]}"


def _key(loc: Sequence[Any], config: Any) -> str:
    """`curate.sources[0].levels.easy`: a path in the file, without the names pydantic adds for members of unions."""
    key, node = "", config
    for i, part in enumerate(loc):
        last = i == len(loc) - 1
        if isinstance(node, list | tuple) and isinstance(part, int):
            key, node = f"{key}[{part}]", node[part] if part < len(node) else None
            continue
        inner = node.get(part) if isinstance(node, Mapping) else None
        if last or isinstance(inner, Mapping | list | tuple):
            key, node = (f"{key}.{part}" if key else str(part)), inner
    return key or "the file"


def _valid_keys(loc: Sequence[Any], root: type[BaseModel]) -> list[str]:
    """The keys a mapping at `loc` may have."""
    models: list[tuple[str | None, type[BaseModel]]] = [(None, root)]
    for part in loc:
        tagged: list[tuple[str | None, type[BaseModel]]] = [
            (None, model) for tag, model in models if tag == part and tag is not None
        ]
        if tagged:
            models = tagged
            continue
        if isinstance(part, int):
            continue
        fields = [model.model_fields[part] for _, model in models if part in model.model_fields]
        models = [m for f in fields for m in _models_in(f.annotation)] if fields else models
    return sorted({name for _, model in models for name in model.model_fields})


def _models_in(annotation: Any, tag: str | None = None) -> Iterator[tuple[str | None, type[BaseModel]]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield tag, annotation
        return
    for argument in get_args(annotation):
        if isinstance(argument, Tag):
            continue
        tags = [m.tag for m in getattr(argument, "__metadata__", ()) if isinstance(m, Tag)]
        yield from _models_in(get_args(argument)[0] if tags else argument, tags[0] if tags else tag)


def did_you_mean(given: str, valid: Sequence[str]) -> str:
    """The nearest valid word, and all of them."""
    close = get_close_matches(given, valid, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"{hint} (valid: {', '.join(valid)})" if valid else hint
