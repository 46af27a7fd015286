"""The browser of rollouts: whose they are, which are chosen, and that tokens read as they were written."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from rlpipe.report import album
from rlpipe.report.album import Album
from rlpipe.report.blocks import Html
from rlpipe.report.inputs import Data
from rlpipe.report.sections import rollouts
from rlpipe.report.settings import ReportSettings
from rlpipe.report.token_text import decoder, pieces
from tests.report import synthetic, synthetic_rows
from tests.report.conftest import Made


def payload(made: Made) -> dict:
    html = next(block for block in made.sections["rollouts"].blocks if isinstance(block, Html))
    return dict(html.payload["rollouts"])


def test_tokens_read_as_the_response_was_written(made: Made) -> None:
    found = payload(made)
    samples = pl.read_parquet(made.inputs["evaluate/grpo/seed-0"] / "samples.parquet")
    policy = found["policies"].index("grpo, seed 0")
    groups = [g for g in found["groups"] if g["policy"] == policy and "evaluation" in found["whens"][g["when"]]]
    assert groups
    for group in groups:
        text = found["prompts"][group["prompt"]]["text"]
        rows = samples.filter(pl.col("prompt").list.first().struct.field("content") == text).sort("sample_index")
        assert group["of"] == len(rows) == 16
        assert group["right"] == rows["acc"].sum()
        for rollout, row in zip(group["rollouts"], rows.iter_rows(named=True), strict=False):
            words = "".join(found["vocabulary"][i] for i in rollout["t"])
            assert words == f"{row['response']} <eos>"
            assert rollout["ok"] == row["acc"]
            assert rollout["h"] == pytest.approx(row["entropies"], abs=5e-4)
            assert rollout["l"] == pytest.approx(row["logprobs"], abs=5e-4)


def test_evaluation_shows_every_policy_the_same_prompts(made: Made) -> None:
    found = payload(made)
    by_policy: dict[int, set[int]] = {}
    for group in found["groups"]:
        if "evaluation" in found["whens"][group["when"]]:
            by_policy.setdefault(group["policy"], set()).add(group["prompt"])
    assert len(by_policy) == 7
    assert len({frozenset(prompts) for prompts in by_policy.values()}) == 1
    levels = {(found["prompts"][p]["task"], found["prompts"][p]["level"]) for p in by_policy[0]}
    assert len(levels) >= 3


def test_the_choice_does_not_look_at_outcomes() -> None:
    keys = pl.DataFrame(
        {"prompt_id": [f"p{i}" for i in range(20)], "source": ["a"] * 20, "level": ["x"] * 10 + ["y"] * 10}
    )
    chosen = rollouts.spread(keys, 0, 6)
    assert chosen == rollouts.spread(keys.sample(fraction=1, shuffle=True, seed=1), 0, 6)
    assert chosen != rollouts.spread(keys, 1, 6)
    assert [int(p[1:]) < 10 for p in chosen] == [True, False] * 3


def test_steps_are_spread_over_the_run() -> None:
    assert rollouts.evenly(range(200), 3) == [0, 100, 199]
    assert rollouts.evenly(range(200), 1) == [199]
    assert rollouts.evenly([4, 7], 5) == [4, 7]


def test_the_budget_holds(inputs: dict[str, Path]) -> None:
    for wanted in (40, 300):
        section = rollouts.build(Data(inputs, ReportSettings(sample_rollouts=wanted, rollouts_per_prompt=2)))
        found = next(b for b in section.blocks if isinstance(b, Html)).payload["rollouts"]
        shown = sum(len(group["rollouts"]) for group in found["groups"])
        policies = len(found["policies"])
        assert shown <= max(wanted, 2 * policies * 4)
    assert rollouts.build(Data(inputs, ReportSettings(sample_rollouts=0))).blocks[0].kind == "absent"  # type: ignore[union-attr]


def test_long_rollouts_are_cut_and_say_so(monkeypatch: pytest.MonkeyPatch, inputs: dict[str, Path]) -> None:
    monkeypatch.setattr(album, "MAX_TOKENS", 5)
    section = rollouts.build(Data(inputs, ReportSettings(sample_rollouts=40)))
    found = next(b for b in section.blocks if isinstance(b, Html)).payload["rollouts"]
    lengths = [(len(r["t"]), r.get("cut", 0)) for group in found["groups"] for r in group["rollouts"]]
    assert max(n for n, _ in lengths) == 5
    assert any(cut > 0 for _, cut in lengths)


def test_without_a_tokenizer_ids_are_shown_and_said_to_be(inputs: dict[str, Path]) -> None:
    found = {"evaluate/sft": inputs["evaluate/sft"]}
    section = rollouts.build(Data(found, ReportSettings(sample_rollouts=40)))
    assert any("without a tokenizer" in getattr(block, "html", "") for block in section.blocks)
    html = next(b for b in section.blocks if isinstance(b, Html))
    assert html.payload["rollouts"]["vocabulary"][0].startswith("\u27e8")


def test_pieces_join_to_the_text_for_words_and_for_bytes(tmp_path: Path) -> None:
    synthetic.tokenizer(tmp_path)
    decode = decoder(tmp_path)
    assert decode is not None
    ids = [synthetic_rows.ID[word] for word in ("make", "3", "from", "1", "2", "<eos>")]
    assert pieces(ids, decode) == ["make", " 3", " from", " 1", " 2", " <eos>"]
    assert decoder(tmp_path / "nothing") is None


def test_a_character_of_several_tokens_comes_with_its_last() -> None:
    text = "\u00e9t\u00e9 \u2713".encode()
    ids = list(text)

    def decode(found: object) -> str:
        return bytes(found).decode("utf-8", errors="replace")  # type: ignore[call-overload, no-any-return]

    found = pieces(ids, decode)
    assert len(found) == len(ids)
    assert "".join(found) == "\u00e9t\u00e9 \u2713"
    assert found[:3] == ["", "\u00e9", "t"]


def row(**changed: object) -> dict:
    known = dict.fromkeys(rollouts.COLUMNS)
    known |= {"prompt_id": "p", "data_source": "x", "prompt": [{"role": "user", "content": "q"}], "sample_index": 1}
    known |= {"response_ids": [1, 2, 3], "entropies": [0.1, 0.2, 0.3], "logprobs": [-1.0, -2.0, -3.0]}
    return known | {"reward": 1.0, "acc": True, "finish_reason": "stop", **changed}


def test_what_a_tool_said_is_shown_as_read() -> None:
    shown = Album(None)._rollout(row(trajectory_ids=[1, 9, 2, 3], trajectory_mask=[True, False, True, True]))
    assert shown["w"] == [1, 0, 1, 1]
    assert shown["h"] == [0.1, None, 0.2, 0.3]
    assert shown["l"] == [-1.0, None, -2.0, -3.0]
    assert len(shown["t"]) == 4
    assert "w" not in Album(None)._rollout(row())


def test_branches_agents_and_other_distributions_are_named() -> None:
    hot = '{"max_new_tokens": 9, "temperature": 1.2, "top_k": 0, "top_p": 0.9}'
    shown = Album(None)._rollout(row(parent=0, branched_at=7, agent="observer", sampling_json=hot))
    assert (shown["parent"], shown["agent"], shown["drawn"]) == (0, "observer", "temperature 1.2, top_p 0.9")
    plain = Album(None)._rollout(row(sampling_json='{"temperature": 1.0, "top_k": 0, "top_p": 1.0}'))
    assert not {"parent", "agent", "drawn"} & set(plain)
