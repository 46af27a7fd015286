"""Between verl's layout, which every other layout is first brought into, and rows of schema prompts/1.

Types are strict inside: whatever a column of prompts/1 cannot hold goes to `metadata_json`, from which `to_verl`
restores the row as it came.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from rlpipe.curate.files.answers import NO_ANSWER, LeftOut, is_empty, judged_by_answer, reference
from rlpipe.curate.files.messages import text_of, to_messages
from rlpipe.curate.files.records import Place, Record, Unreadable
from rlpipe.overlap import normalize

VERL = ("data_source", "prompt", "ability", "reward_model", "extra_info")
OWN = ("prompt_id", "norm_hash", "metadata_json")  # columns that an export of ours adds, and `split`, `difficulty`


def to_row(record: Record, place: Place, difficulty: str | None = None) -> Record | LeftOut:
    """A row of prompts/1 from one of verl's layout.

    Answers that are compared as short answers become text (`answers.reference`); those of other verifiers stay objects.
    Values that JSON has no form for are kept as text where no column of prompts/1 is made of them.

    Returns: why the row is left out, if it has no reference answer.
    Raises: RowError naming the place for a missing or malformed column.
    """
    own = all(name in record for name in OWN)
    reward = _struct(record, "reward_model", place)
    gold = reward.get("ground_truth")
    if is_empty(gold):
        return LeftOut(NO_ANSWER, f"reward_model.ground_truth is {gold!r}")
    truth = _truth(gold, record.get("data_source"), place)
    messages = to_messages(record.get("prompt"), "prompt", place)
    extra = None if record.get("extra_info") is None else _struct(record, "extra_info", place)
    index, index_type = _index((extra or {}).get("index"))
    taken = {*VERL, *OWN, "split", "difficulty"} if own else set(VERL)
    metadata: Record = {
        "columns": kept({name: value for name, value in record.items() if name not in taken}),
        "extra_info": None if extra is None else kept({k: v for k, v in extra.items() if k not in ("split", "index")}),
        "reward_model": kept({k: v for k, v in reward.items() if k not in ("style", "ground_truth")}),
        "gt_encoding": "text" if isinstance(gold, str) else "json",
        "index_type": index_type,
    }
    if not isinstance(gold, str) and truth != _json(gold):
        metadata["ground_truth"] = kept(gold)
    if absent := _absent(record, reward, extra):
        metadata["absent"] = absent
    return {
        "prompt_id": normalize.prompt_id(messages),
        "norm_hash": normalize.norm_hash(messages),
        "data_source": text_of(record.get("data_source"), "data_source", place),
        "prompt": messages,
        "ability": text_of(record.get("ability"), "ability", place, null=True),
        "reward_model": {
            "style": text_of(reward.get("style"), "reward_model.style", place, null=True),
            "ground_truth": truth,
        },
        "extra_info": {
            "split": text_of((extra or {}).get("split"), "extra_info.split", place, null=True),
            "index": index,
        },
        "metadata_json": dumped(metadata, "metadata_json", place),
        "split": record.get("split") if own else None,
        "difficulty": record.get("difficulty") if own else difficulty,
    }


def _truth(gold: object, source: object, place: Place) -> str:
    column = "reward_model.ground_truth"
    if judged_by_answer(source):
        return text_of(reference(gold, column, place), column, place) or ""
    return gold if isinstance(gold, str) else dumped(gold, column, place)


def to_verl(row: Mapping[str, Any]) -> Record:
    """The row in verl's layout, with the types and columns it was read with."""
    metadata = json.loads(row["metadata_json"])
    absent = set(metadata.get("absent", ()))
    gold = row["reward_model"]["ground_truth"]
    if "ground_truth" in metadata:
        gold = metadata["ground_truth"]
    elif metadata.get("gt_encoding") == "json":
        gold = json.loads(gold)
    reward = {
        "style": row["reward_model"]["style"],
        "ground_truth": gold,
        **metadata.get("reward_model", {}),
    }
    extra = metadata.get("extra_info", {})
    if extra is not None:
        index = restored_index(row["extra_info"]["index"], metadata.get("index_type", "str"))
        extra = {"split": row["extra_info"]["split"], "index": index, **extra}
    whole = {
        "data_source": row["data_source"],
        "prompt": [dict(message) for message in row["prompt"]],
        "ability": row.get("ability"),
        "reward_model": {k: v for k, v in reward.items() if f"reward_model.{k}" not in absent},
        "extra_info": extra and {k: v for k, v in extra.items() if f"extra_info.{k}" not in absent},
    }
    return {k: v for k, v in whole.items() if k not in absent} | metadata.get("columns", {})


def _struct(record: Record, column: str, place: Place) -> Record:
    value = record.get(column)
    if not isinstance(value, Mapping):
        raise place.error(column, value, "must be an object", "give --format if the file is not in this layout")
    return dict(value)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _index(value: object) -> tuple[str | None, str]:
    """An index as text, and what it was."""
    if value is None or _is_nan(value):
        return None, "NoneType"
    if isinstance(value, str):
        return value, "str"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value), "int"
    if isinstance(value, float):
        return (str(int(value)) if value.is_integer() else repr(value)), "float"
    return _json(kept(value)), "json"


def restored_index(text: str | None, kind: str) -> object:
    """The index as it was before `to_row`."""
    if text is None or kind == "NoneType":
        return None
    restore: dict[str, Callable[[str], object]] = {"int": int, "float": float, "json": json.loads}
    return restore.get(kind, str)(text)


def _absent(record: Record, reward: Record, extra: Record | None) -> list[str]:
    """Columns that prompts/1 always has and this row had not, so that they stay away when it is written again."""
    absent = [name for name in ("ability", "extra_info") if name not in record]
    absent += ["reward_model.style"] if "style" not in reward else []
    if extra is not None:
        absent += [f"extra_info.{name}" for name in ("split", "index") if name not in extra]
    return absent


def kept(value: Any) -> Any:
    """A value of columns that nobody uses as JSON can hold it: times and the like as text, bytes by their number only."""
    if isinstance(value, Mapping):
        return {_utf8(str(name)): kept(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [kept(inner) for inner in value]
    if isinstance(value, str):
        return _utf8(value)
    if isinstance(value, bytes | bytearray):
        return f"({len(value)} bytes, not kept)"
    if isinstance(value, Unreadable):
        return f"({value.type}, not kept)"
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _utf8(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def dumped(value: object, column: str, place: Place) -> str:
    """JSON with sorted keys.

    Raises: RowError for what JSON cannot hold.
    """
    try:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError) as error:
        remedy = "turn dates, bytes and the like into text first"
        raise place.error(column, value, f"cannot be kept as JSON ({error})", remedy) from error
    return text
