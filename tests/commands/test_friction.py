"""The friction loop on a checkpoint and a prompt file: its table, its metrics, and a model that runs out of room."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from rlpipe import artifacts
from rlpipe.commands.friction import friction_model
from rlpipe.evaluate.friction import metrics
from rlpipe.evaluate.friction.loop import friction, self_feedback
from rlpipe.evaluate.friction.metrics import FRICTION
from rlpipe.evaluate.friction.settings import FrictionSettings
from rlpipe.types import Prompt, Verdict, draw_seed
from tests.evaluate.policies import save_policy, save_prompts
from tests.evaluate.test_friction import PROMPTS, Learner, verify

SETTINGS = FrictionSettings(rounds=6, max_new_tokens=8, heat=True, text="what is", bootstrap_draws=200, sufficient=0.5)


def lucky(prompt: Prompt, text: str, spec: Any = None) -> Verdict:
    """A coin of prompt and text: something that a policy of random weights gets right now and then."""
    return Verdict(float(draw_seed(prompt.id, text) % 5 == 0), "ok", text, text)


def test_a_checkpoint_on_a_prompt_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "verify", lucky)
    prompts = save_prompts(tmp_path / "prompts.parquet", 8)
    rows = friction_model(save_policy(tmp_path / "model", 9), prompts, tmp_path / "out", SETTINGS)
    table = artifacts.read(tmp_path / "out/friction.parquet", FRICTION)
    assert artifacts.read(tmp_path / "out/metrics.parquet", artifacts.EVAL).shape[0] == len(rows)
    by_round = [row for row in rows if row["metric"] == "friction_accuracy"]
    assert [row["k"] for row in by_round] == list(range(7))
    for row in by_round:
        own = table.filter(pl.col("round") == row["k"])
        assert row["total_tokens"] == own["generated_tokens"].sum()
        assert json.loads(row["info_json"])["tried"] == len(own)
        solved = table.filter(pl.col("correct") & (pl.col("round") <= row["k"]))
        assert row["value"] == pytest.approx(len(solved) / 8)
    # 64 tokens hold the prompt and a few responses: who is not right by then has no room for another.
    short = table.filter(pl.col("out_of_room"))
    assert 0 < len(short) < 8
    assert json.loads(by_round[-1]["info_json"])["out_of_room"] == len(short)
    assert table.filter(pl.col("correct"))["feedback"].null_count() == table["correct"].sum() > 0
    assert set(table["feedback"].drop_nulls()) == {"what is"}
    first, last = by_round[0]["value"], by_round[-1]["value"]
    assert rows[-1]["metric"] == "friction"
    assert rows[-1]["value"] == pytest.approx(first + (1 - first) * 0.5 - last)
    shown = capsys.readouterr().out
    assert "solved so far" in shown
    assert f"{len(short)} dialogues outgrew" in shown


def test_tokens_of_the_dialogues_add_up() -> None:
    result = friction(Learner(stuck=True), PROMPTS, verify, rounds=3, heat=True, tries=5)
    assert all(len(d.tokens) == len(d.responses) for d in result.dialogues)
    assert result.generated_tokens == sum(sum(d.tokens) for d in result.dialogues)
    assert max(max(d.tokens) for d in result.dialogues) > 1  # rejected responses are paid for


def test_a_full_model_ends_a_dialogue() -> None:
    class Growing(Learner):
        def encode(self, messages: Any) -> list[int]:
            return [len(messages)] * len(messages)

    result = friction(Growing(), PROMPTS, verify, rounds=4, max_new_tokens=1, room=4)
    # A history of three messages and one more token fit, five do not.
    assert [d.out_of_room for d in result.dialogues] == [None, 2, 2, None]
    assert result.accuracy == pytest.approx((0.25, 0.5, 0.5, 0.5, 0.5))


def test_the_policy_writes_its_own_feedback_and_the_answer_in_it_is_masked() -> None:
    class Teller(Learner):
        def encode(self, messages: Any) -> list[int]:
            self.seen.append(list(messages))
            return [5 if "A student answered" in messages[-1]["content"] else 1]

    engine = Teller()
    result = friction(
        engine, [Prompt("p3", PROMPTS[0].messages, "3", "test")], verify, self_feedback(engine, 4), rounds=1
    )
    told = result.dialogues[0].messages[-2]["content"]
    assert told == "[masked]"  # it said 3
    asked = next(m[-1]["content"] for m in engine.seen if "A student answered" in m[-1]["content"])
    assert "correct final answer is 3" in asked


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"tries": 5}, "tries = 5 at temperature 0 repeats one response; set heat to true"),
        ({"feedback": "gold"}, "'binary' or 'self'"),
        ({"sufficient": 1.5}, "less than or equal to 1"),
        ({"rouns": 3}, "Extra inputs"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FrictionSettings.model_validate(wrong)
