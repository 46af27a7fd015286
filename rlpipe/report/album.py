"""Rollouts as the page's browser reads them: tokens with their entropies, who wrote them, and where a branch began."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from rlpipe.report.token_text import Decode, pieces

BINS = (0.01, 0.05, 0.15, 0.35, 0.7, 1.2)  # nats; above the last, more than three equally likely tokens
MAX_TOKENS = 400  # of one rollout
MAX_TOTAL_TOKENS = 120_000


@dataclass
class Album:
    """The chosen rollouts as the page's script reads them; tokens are kept once, in `vocabulary`."""

    decode: Decode | None
    policies: list[str] = field(default_factory=list)
    whens: list[str] = field(default_factory=list)
    prompts: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    vocabulary: dict[str, int] = field(default_factory=dict)
    groups: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    rollouts: int = 0

    def add(self, policy: str, when: str, group: pl.DataFrame, shown: int) -> None:
        """The first `shown` rollouts of one prompt under one policy, and how many of all of them are correct."""
        rows = group.sort("sample_index").head(shown).to_dicts()
        if self.tokens > MAX_TOTAL_TOKENS:
            return
        self.groups.append(
            {
                "policy": _place(self.policies, policy),
                "when": _place(self.whens, when),
                "prompt": self._prompt(rows[0]),
                "right": int(group["acc"].sum()),
                "of": len(group),
                "rollouts": [self._rollout(row) for row in rows],
            }
        )

    def _prompt(self, row: dict[str, Any]) -> int:
        id = row["prompt_id"]
        if id not in self.places:
            text = "\n".join(m["content"] for m in row["prompt"] if m["role"] == "user")
            short = " ".join(text.split())
            self.places[id] = len(self.places)
            self.prompts[id] = {
                "text": text,
                "short": short if len(short) <= 80 else short[:79] + "\u2026",
                "task": row["data_source"].removeprefix("rlpipe/"),
                "level": row["difficulty"] or "",
            }
        return self.places[id]

    def _rollout(self, row: dict[str, Any]) -> dict[str, Any]:
        ids = row["trajectory_ids"] or row["response_ids"] or []
        kept, written = ids[:MAX_TOKENS], _written(row, min(len(ids), MAX_TOKENS))
        texts = pieces(kept, self.decode) if self.decode else [f"\u27e8{i}\u27e9" for i in kept]
        self.tokens += len(kept)
        self.rollouts += 1
        found: dict[str, Any] = {
            "t": [self.vocabulary.setdefault(text, len(self.vocabulary)) for text in texts],
            "h": _placed(row["entropies"] or [0.0] * len(kept), written),
            "i": row["sample_index"],
            "ok": int(row["acc"]),
            "reward": round(row["reward"], 4),
            "status": row["verifier_status"] or "",
            "finish": row["finish_reason"],
        }
        if row["logprobs"]:
            found["l"] = _placed(row["logprobs"], written)
        if not all(written):
            found["w"] = [int(w) for w in written]
        found |= _origin(row)
        if len(ids) > len(kept):
            found["cut"] = len(ids) - len(kept)
        if answer := row["canonical_answer"] or row["extracted_answer"]:
            found["answer"] = answer[:120]
        return found

    def payload(self, start: int) -> dict[str, Any]:
        return {
            "policies": self.policies,
            "whens": self.whens,
            "prompts": list(self.prompts.values()),
            "groups": self.groups,
            "vocabulary": list(self.vocabulary),
            "bins": list(BINS),
            "start": start,
        }


def _written(row: dict[str, Any], shown: int) -> list[bool]:
    """Which of the tokens shown the policy wrote: all, unless somebody else wrote between its turns."""
    return (row["trajectory_mask"] or [True] * shown)[:shown]


def _placed(values: Sequence[float], written: Sequence[bool]) -> list[float | None]:
    """The values of the policy's tokens at their places; null where somebody else wrote."""
    left = iter(values)
    return [round(next(left), 3) if w else None for w in written]


def _origin(row: dict[str, Any]) -> dict[str, Any]:
    """Who wrote the rollout, where it left which other, and how it was drawn where that is not the whole distribution."""
    found: dict[str, Any] = {}
    if row["agent"]:
        found["agent"] = row["agent"]
    if row["parent"] is not None:
        found["parent"] = row["parent"]
    sampling = json.loads(row["sampling_json"] or "{}")
    hot = {"temperature": 1.0, "top_p": 1.0, "top_k": 0}
    if drawn := [f"{name} {sampling[name]:g}" for name, plain in hot.items() if sampling.get(name, plain) != plain]:
        found["drawn"] = ", ".join(drawn)
    return found


def _place(names: list[str], name: str) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)
