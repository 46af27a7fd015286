"""Messages of a prompt as prompts/1 has them: a role and a text each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlpipe.curate.files.records import Place

ROLES = ("system", "user", "assistant", "tool")
PARTS = "join the text parts and drop the others, or leave the row out"


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
    return {"role": str(value["role"]), "content": text_of(content, f"{column}.content", place) or ""}


def text_of(value: object, column: str, place: Place, null: bool = False) -> str | None:
    """A text that UTF-8 can hold. Raises: RowError for anything else; `null` lets None pass."""
    if value is None and null:
        return None
    if not isinstance(value, str):
        raise place.error(column, value, "must be text", "fill it in, or leave the row out")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise place.error(column, value, f"not text in UTF-8 ({error.reason})", "mend or remove the row") from error
    return value
