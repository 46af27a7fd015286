"""Prompts and demonstrations too long for the model are counted and left out, or refused, with the longest named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlpipe import models
from rlpipe.curate.curate import curate, describe
from rlpipe.curate.lengths import lengths_of
from rlpipe.curate.settings import CurateSettings
from rlpipe.params.model_settings import ModelSettings

SHORT, LONG = "How much is two and two ?", "How much is " + "one and " * 40 + "one ?"


def settings(tmp_path: Path, **changes: Any) -> CurateSettings:
    file = tmp_path / "problems.jsonl"
    rows = [{"question": f"{text} {i}", "answer": f"So it is.\n#### {i}"} for i, text in enumerate([SHORT, LONG] * 4)]
    file.write_text("\n".join(json.dumps(row) for row in rows))
    sources = [{"path": str(file), "splits": ["train"]}]
    return CurateSettings.model_validate({"sources": sources, "near_duplicates": {"enabled": False}, **changes})


def test_too_long_prompts_are_left_out_and_the_longest_is_named(tmp_path: Path) -> None:
    made = curate(settings(tmp_path), lengths_of(ModelSettings(max_length=64), response=20))
    assert len(made.prompts) == 4
    assert {row["stage"] for row in made.rejected} == {"lengths"}
    assert all(row["reason"].startswith("too long: ") and row["score"] > 44 for row in made.rejected)
    assert made.summary["rejected"] == {"lengths": {"too long": 4}}
    assert "the longest, " in describe(made.summary)


def test_or_refused(tmp_path: Path) -> None:
    asked = settings(tmp_path, too_long="refuse")
    with pytest.raises(
        ValueError, match=r"4 prompts leave no room .* has \d+ tokens, and the model takes 64 with .* 20;"
    ):
        curate(asked, lengths_of(ModelSettings(max_length=64), response=20))
    assert len(curate(asked, lengths_of(ModelSettings(max_length=200), response=20)).prompts) == 8


def test_the_room_is_exact(tmp_path: Path) -> None:
    lengths = lengths_of(ModelSettings(max_length=64), response=20)
    tokenizer = models.word_tokenizer(LONG.split(), 64)
    message = [{"role": "user", "content": LONG}]
    assert lengths.count(message) == len(models.encode(tokenizer, message))
    longest = max(lengths.count(p["prompt"]) for p in curate(settings(tmp_path)).prompts)
    at_the_limit = lengths_of(ModelSettings(max_length=longest + 20), response=20)
    assert len(curate(settings(tmp_path), at_the_limit).prompts) == 8
    below = lengths_of(ModelSettings(max_length=longest + 19), response=20)
    assert len(curate(settings(tmp_path), below).prompts) == 4


def test_a_pretrained_model_counts_with_its_own_tokenizer_and_limit(tmp_path: Path) -> None:
    tokenizer = models.word_tokenizer(["w"], 32)
    model = models.from_scratch(ModelSettings(hidden_size=16, num_layers=1, num_heads=2, max_length=32), tokenizer, 0)
    models.save_policy(model, tokenizer, tmp_path / "model")
    own = lengths_of(ModelSettings(path=str(tmp_path / "model")), response=8)
    assert (own.longest, own.room) == (32, 24)
    assert own.count([{"role": "user", "content": "w w w"}]) == 5
    lower = lengths_of(ModelSettings(path=str(tmp_path / "model"), max_length=16), response=8)
    assert lower.longest == 16


def test_demonstrations_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    sources = [{"task": "countdown", "levels": {"c3": 20}, "splits": ["demonstration"]}]
    asked = CurateSettings.model_validate({"sources": sources})
    whole = curate(asked)
    limits = sorted(
        {len(r["prompt"][0]["content"].split()) + 3 + len(r["response"].split()) for r in whole.demonstrations}
    )
    assert (
        curate(asked, lengths_of(ModelSettings(max_length=limits[-1]), response=1)).demonstrations
        == whole.demonstrations
    )
    lengths = lengths_of(ModelSettings(max_length=limits[-1] - 1), response=1)
    short = curate(asked, lengths)
    gone = len(whole.demonstrations) - len(short.demonstrations)
    assert short.summary["demonstrations"]["too_long"] == gone > 0
    refusing = asked.model_copy(update={"too_long": "refuse"})
    with pytest.raises(ValueError, match=rf"{gone} demonstrations do not fit the model: .* has {limits[-1]} tokens"):
        curate(refusing, lengths)
