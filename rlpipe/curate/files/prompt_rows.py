"""Between verl's layout, which every other layout is first brought into, and rows of schema prompts/1.

Types are strict inside: whatever a column of prompts/1 cannot hold goes to `metadata_json`, from which `to_verl`
restores the row as it came.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rlpipe.curate.files.answers import NO_ANSWER, LeftOut, is_empty, judged_by_answer, reference
from rlpipe.curate.files.records import Place, Record, Unreadable
from rlpipe.overlap import normalize

VERL = ("data_source", "prompt", "ability", "reward_model", "extra_info")
OWN = ("prompt_id", "norm_hash", "metadata_json")  # columns that an export of ours adds, and `split`, `difficulty`
ROLES = ("system", "user", "assistant", "tool")
PARTS = "join the text parts and drop the others, or leave the row out"


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
        "data_source": _string(record.get("data_source"), "data_source", place),
        "prompt": messages,
        "ability": _string(record.get("ability"), "ability", place, null=True),
        "reward_model": {
            "style": _string(reward.get("style"), "reward_model.style", place, null=True),
            "ground_truth": truth,
        },
        "extra_info": {
            "split": _string((extra or {}).get("split"), "extra_info.split", place, null=True),
            "index": index,
        },
        "metadata_json": dumped(metadata, "metadata_json", place),
        "split": record.get("split") if own else None,
        "difficulty": record.get("difficulty") if own else difficulty,
    }


def _truth(gold: object, source: object, place: Place) -> str:
    column = "reward_model.ground_truth"
    if judged_by_answer(source):
        return _string(reference(gold, column, place), column, place) or ""
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


def to_messages(value: object, column: str, place: Place) -> list[dict[str, str]]:
    """Messages with a role and a text each, the last of them the user's; text parts are joined.

    Raises: RowError for anything else.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise place.error(column, value, "not a list of messages", "give a list of {role, content}")
    messages = [_message(m, column, place) for m in value]
    if messages[-1]["role"] != "user":
        role = messages[-1]["role"]
        raise place.error(column, role, "the last message is not the user's", "end the prompt with a user message")
    return messages


def _message(value: object, column: str, place: Place) -> dict[str, str]:
    if not isinstance(value, Mapping) or value.get("role") not in ROLES:
        raise place.error(column, value, f"not a message with a role of {', '.join(ROLES)}", "mend or remove the row")
    if more := [k for k, v in value.items() if k not in ("role", "content") and v is not None]:
        raise place.error(column, more, "a message has a role and a content only", "move the rest to extra_info")
    content = value.get("content")
    if isinstance(content, Sequence) and not isinstance(content, str):
        texts = [
            part.get("text") if isinstance(part, Mapping) and part.get("type") == "text" else None for part in content
        ]
        if any(not isinstance(text, str) for text in texts):
            raise place.error(column, content, "a message that is not text", PARTS)
        content = "".join(text for text in texts if text is not None)
    return {"role": str(value["role"]), "content": _string(content, f"{column}.content", place) or ""}


def _string(value: object, column: str, place: Place, null: bool = False) -> str | None:
    if value is None and null:
        return None
    if not isinstance(value, str):
        raise place.error(column, value, "must be text", "fill it in, or leave the row out")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise place.error(column, value, f"not text in UTF-8 ({error.reason})", "mend or remove the row") from error
    return value


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
