"""Layouts of other projects whose rows are conversations, or come with a judge of their own, brought into verl's.

Source: specification 7.4. Tables of problems are read by `tables.rows`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlpipe.curate.files.answers import is_empty
from rlpipe.curate.files.records import Place, Record
from rlpipe.curate.files.tables.known import PARTS

GOLD = ("solution", "answer", "ground_truth", "label")
NO_SOURCE = "name the data source (--data-source, or data_source in params.yaml): it chooses the verifier"


@dataclass(frozen=True)
class Request:
    """Where a row stands, and what the caller says of its file."""

    place: Place
    data_source: str | None = None


Adapter = Callable[[Record, Request], Record]


def conversation(record: Record) -> str | None:
    """The layout of a file whose rows are more than a table of problems, told from its first row; None if it is none."""
    names = set(record)
    messages = isinstance(record.get("prompt"), list)
    rules = {
        "verl": messages and "reward_model" in names,
        "skyrl": messages and "reward_spec" in names,
        "open-instruct": {"messages", "ground_truth", "dataset"} <= names,
        "verifiers": "answer" in names
        and bool({"info", "task"} & names)
        and bool({"question", "prompt"} & names)
        and "####" not in str(record.get("answer"))
        and _is_whole(record, "prompt", "question"),
    }
    return next((layout for layout, fits in rules.items() if fits), None)


def loose(record: Record) -> str | None:
    """As `conversation`, for layouts with so few columns that tables go first."""
    if not any(name in record for name in GOLD):
        return None
    rules = {"trl": "prompt", "openrlhf": "input"}
    return next((layout for layout, name in rules.items() if name in record and _is_whole(record, name)), None)


def _is_whole(record: Record, *read: str) -> bool:
    """Nothing beside the columns read may belong to the problem."""
    return all(name.lower() not in PARTS or name in read or is_empty(value) for name, value in record.items())


def adapt(record: Record, layout: str, request: Request) -> Record:
    """The row in verl's layout.

    Raises: RowError naming the place for a missing column.
    """
    return ADAPTERS[layout](record, request)


def _verl(record: Record, request: Request) -> Record:
    return record | {"data_source": _source(record.get("data_source"), request)}


def _skyrl(record: Record, request: Request) -> Record:
    spec = _required(record, "reward_spec", request)
    if not isinstance(spec, Mapping):
        raise request.place.error("reward_spec", spec, "must be an object", "give {method, ground_truth}")
    reward = {("style" if name == "method" else name): value for name, value in spec.items()}
    return _verl({k: v for k, v in record.items() if k != "reward_spec"} | {"reward_model": reward}, request)


def _open_instruct(record: Record, request: Request) -> Record:
    messages, gold = _required(record, "messages", request), _required(record, "ground_truth", request)
    if isinstance(messages, list) and messages and isinstance(messages[-1], Mapping):
        messages = messages[:-1] if messages[-1].get("role") == "assistant" else messages
    dataset = _required(record, "dataset", request)
    source = dataset[0] if isinstance(dataset, list) and dataset else dataset
    rest = {k: v for k, v in record.items() if k not in ("messages", "ground_truth", "dataset", "prompt")}
    return _with_reward(messages, gold, request.data_source or source, rest)


def _prompt_and_gold(column: str) -> Adapter:
    def adapter(record: Record, request: Request) -> Record:
        prompt = _required(record, column, request)
        name = next((n for n in GOLD if n in record), None)
        if name is None:
            raise request.place.error(
                "(names)", sorted(record), f"none of {', '.join(GOLD)}", "add the reference answer"
            )
        source = _source(record.get("data_source") or record.get("datasource"), request)
        rest = {k: v for k, v in record.items() if k not in (column, name, "data_source", "datasource")}
        return _with_reward(_conversation(prompt), record[name], source, rest)

    return adapter


def _verifiers(record: Record, request: Request) -> Record:
    column = "prompt" if record.get("prompt") is not None else "question"
    prompt, info = _required(record, column, request), record.get("info")
    if isinstance(info, str) and info:
        try:
            info = json.loads(info)
        except ValueError as error:
            raise request.place.error("info", info, f"not JSON ({error})", "mend or remove it") from error
    source = _source(record.get("task"), request)
    rest = {k: v for k, v in record.items() if k not in (column, "answer", "task", "info")}
    return _with_reward(_conversation(prompt), record.get("answer"), source, rest | {"info": info})


ADAPTERS: dict[str, Adapter] = {
    "verl": _verl,
    "skyrl": _skyrl,
    "open-instruct": _open_instruct,
    "trl": _prompt_and_gold("prompt"),
    "openrlhf": _prompt_and_gold("input"),
    "verifiers": _verifiers,
}


def _required(record: Record, name: str, request: Request) -> Any:
    value = record.get(name)
    if value is None or value == "":
        raise request.place.error(name, value, "missing", "fill it in, remove the row, or name another format")
    return value


def _source(found: object, request: Request) -> str:
    source = request.data_source or found
    if not isinstance(source, str) or not source:
        raise request.place.error("data_source", source, "missing", NO_SOURCE)
    return source


def _conversation(prompt: object) -> object:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def _with_reward(messages: object, gold: object, source: str, rest: Record) -> Record:
    return {"data_source": source, "prompt": messages, "reward_model": {"style": "rule", "ground_truth": gold}, **rest}
