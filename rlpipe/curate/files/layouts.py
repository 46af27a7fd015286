r"""Every layout of prompt files that is read, brought into verl's.

Source: specification 7.4. An instruction on the form of the answer is added only where the question has none of the
markers `####`, `\boxed`, `Answer:`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlpipe.curate.files.records import Place, Record

GSM8K, MATH = "openai/gsm8k", "DigitalLearningGmbH/MATH-lighteval"
INSTRUCTION = {
    "####": 'Think step by step and write the final answer after "####".',
    "boxed": r"Think step by step and put the final answer within \boxed{}.",
}
_MARKER = re.compile(r"####|\\boxed|answer\s*:", re.IGNORECASE)
GOLD = ("solution", "answer", "ground_truth", "label")
NO_SOURCE = "name the data source (--data-source, or data_source in params.yaml): it chooses the verifier"


@dataclass(frozen=True)
class Request:
    """Where a row stands, and what the caller says of its file."""

    place: Place
    data_source: str | None = None


Adapter = Callable[[Record, Request], Record]


def detect(record: Record, place: Place) -> str:
    """The layout of a file, told from its first row.

    Raises: RowError if none fits.
    """
    names = set(record)
    conversation = isinstance(record.get("prompt"), list)
    gold = any(name in names for name in GOLD)
    rules = [
        ("verl", conversation and "reward_model" in names),
        ("skyrl", conversation and "reward_spec" in names),
        ("open-instruct", {"messages", "ground_truth", "dataset"} <= names),
        ("gsm8k", {"question", "answer"} <= names and "####" in str(record.get("answer"))),
        ("verifiers", "answer" in names and bool({"info", "task"} & names) and bool({"question", "prompt"} & names)),
        ("math", {"problem", "answer"} <= names),
        ("math_solution", {"problem", "solution"} <= names),
        ("trl", "prompt" in names and gold),
        ("openrlhf", "input" in names and gold),
    ]
    for layout, fits in rules:
        if fits:
            return layout
    known = ", ".join(layout for layout, _ in rules)
    raise place.error("(names)", sorted(names), "no known layout has these columns", f"give the format: {known}")


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


def _gsm8k(record: Record, request: Request) -> Record:
    question, worked = (_required(record, name, request) for name in ("question", "answer"))
    _, marker, gold = str(worked).rpartition("####")
    if not marker:
        problem = "no final answer after '####'"
        raise request.place.error("answer", worked, problem, "give the layout's name if this is not GSM8K")
    gold = gold.strip().replace(",", "")
    extra = {"question": question, "answer": worked}
    return _question(_instructed(question, "####"), gold, request.data_source or GSM8K, extra, request)


def _math(record: Record, request: Request) -> Record:
    problem, gold = _required(record, "problem", request), record.get("answer")
    source = _source(record.get("data_source"), request)
    extra = {k: v for k, v in record.items() if k not in ("problem", "answer", "data_source")}
    gold = str(gold) if isinstance(gold, int | float) and not isinstance(gold, bool) else gold
    return _question(_instructed(problem, "boxed"), gold, source, {"question": problem} | extra, request)


def _math_solution(record: Record, request: Request) -> Record:
    problem, solution = (_required(record, name, request) for name in ("problem", "solution"))
    extra = {k: v for k, v in record.items() if k not in ("problem", "data_source")}
    source = request.data_source or record.get("data_source") or MATH
    gold = last_boxed(str(solution))
    return _question(_instructed(problem, "boxed"), gold, source, {"question": problem} | extra, request)


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
    "gsm8k": _gsm8k,
    "math": _math,
    "math_solution": _math_solution,
    "open-instruct": _open_instruct,
    "trl": _prompt_and_gold("prompt"),
    "openrlhf": _prompt_and_gold("input"),
    "verifiers": _verifiers,
}


def last_boxed(text: str) -> str | None:
    r"""Content of the last `\boxed{...}` whose braces balance; None where there is none."""
    start = text.rfind(r"\boxed{")
    if start < 0:
        return None
    depth, first = 1, start + len(r"\boxed{")
    for i in range(first, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0) if text[i - 1] != "\\" else 0
        if not depth:
            return text[first:i]
    return last_boxed(text[:start])


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


def _instructed(question: object, marker: str) -> object:
    if not isinstance(question, str) or _MARKER.search(question):
        return question
    return f"{question} {INSTRUCTION[marker]}"


def _conversation(prompt: object) -> object:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def _question(text: object, gold: object, source: str, extra: Record, request: Request) -> Record:
    """A question of one message, with everything else of its row in `extra_info`."""
    if not isinstance(text, str):
        raise request.place.error("question", text, "must be text", "fill it in, or leave the row out")
    extra = {"split": None, "index": request.place.row - 1} | extra
    row = _with_reward([{"role": "user", "content": text}], gold, source, {})
    return row | {"ability": "math", "extra_info": extra}


def _with_reward(messages: object, gold: object, source: str, rest: Record) -> Record:
    return {"data_source": source, "prompt": messages, "reward_model": {"style": "rule", "ground_truth": gold}, **rest}
