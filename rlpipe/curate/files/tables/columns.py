r"""Which columns of a table of problems are what: the words of `curate.sources`, of `rlpipe import` and of known layouts.

A column is named as it is, by a path into objects and lists (`other.source`, `final_answer.0`), and with a `?` at the end
where it may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

NAMED = ("boxed", "####")  # patterns that have a name
FIELD = re.compile(r"\{([^{}]+)\}")
MISSING: Any = object()


class Columns(BaseModel):
    """What is left out is taken from the layout that the file is recognised as."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str | None = Field(default=None, description="A column, or a template of columns: '{Body} {Question}'")
    answer: str | None = Field(default=None, description="The column with the reference answer")
    pattern: str | None = Field(
        default=None,
        description="Where in the answer's text the reference is: boxed, ####, or a regular expression whose last match "
        "(its group, if it has one) is taken",
    )
    options: str | None = Field(
        default=None,
        description="The options of a multiple choice; listed where the template names them, or at the end",
    )
    choice: Literal["letter", "text", 0, 1] | None = Field(
        default=None,
        description="What the answer says of the options: a letter, a text, or a position counted from 0 or 1; null: a "
        "letter or a text, if only one of them is possible",
    )
    id: str | None = Field(default=None, description="The column with the row's own name")
    level: str | None = Field(default=None, description="The column with the level of difficulty")
    source: str | None = Field(default=None, description="The column with the data source, which selects the verifier")
    form: Literal["boxed", "####"] | None = Field(
        default=None, description="How an answer is asked for where the prompt does not say; null: boxed"
    )

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        if pattern is None or pattern in NAMED:
            return pattern
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"pattern {pattern!r} is no regular expression ({error}); mend it") from None
        if groups > 1:
            raise ValueError(f"pattern {pattern!r} has {groups} groups; one is taken: write the others (?:...)")
        return pattern

    @property
    def given(self) -> dict[str, Any]:
        """What is said."""
        return self.model_dump(exclude_none=True)

    @property
    def whole(self) -> bool:
        """Whether a file can be read by this alone."""
        return self.prompt is not None and self.answer is not None

    def over(self, base: Columns) -> Columns:
        """These, and what they leave out as in `base`; the pattern and the choice belong to the answer."""
        rest = base.given
        if self.answer is not None:
            rest = {name: value for name, value in rest.items() if name not in ("pattern", "choice")}
        return Columns(**{**rest, **self.given})

    def prompt_columns(self) -> list[str]:
        """The columns of the template."""
        assert self.prompt is not None
        return FIELD.findall(self.prompt) or [self.prompt]

    def named(self) -> Iterator[tuple[str, str]]:
        """What each column is and its name, with its `?`."""
        yield from (("prompt", name) for name in self.prompt_columns())
        for role in ("answer", "options", "id", "level", "source"):
            if (name := getattr(self, role)) is not None:
                yield role, name

    def required(self) -> list[str]:
        """Names of the columns without `?`."""
        return [name for _, name in self.named() if not name.endswith("?")]


def value_of(record: Mapping[str, Any], name: str) -> Any:
    """The value of a column, or at the end of a path; `MISSING` where there is none."""
    name = name.removesuffix("?")
    if name in record:
        return record[name]
    found: Any = record
    for part in name.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return MISSING
    return found


def at(record: Mapping[str, Any], name: str | None) -> Any:
    """As `value_of`, with None for what is not there."""
    value = MISSING if name is None else value_of(record, name)
    return None if value is MISSING else value
