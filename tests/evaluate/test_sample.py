"""Sampling: the same draws for every policy, whatever the batches, and across a kill; verified, streamed, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.engine.hf import HFEngine
from rlpipe.evaluate import sample as sampling_module
from rlpipe.evaluate.prompt_subset import choose
from rlpipe.evaluate.sample import Subject, sample
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.prompts import to_prompts
from rlpipe.types import Prompt, Request, Rollout, Sampling, Verdict, draw_seed
from rlpipe.verifiers.error_rate import VerifierFailing
from tests.evaluate.policies import WORDS, prompt_rows
from tests.toy import Answering, tiny_policy, written

SETTINGS = EvaluateSettings(samples=4, max_new_tokens=6, batch_size=8)
ME = Subject("toy", "toy", 3)


class Recorder(Answering):
    """An engine that answers with its seed, and remembers what it was asked."""

    def __init__(self, fails_at: int = 10**9) -> None:
        super().__init__()
        self.calls: list[tuple[list[int], Sampling]] = []
        self.fails_at = fails_at

    def encode(self, messages: Sequence[Any]) -> list[int]:
        return [1, 2, 3]

    def answer(self, requests: Sequence[Request]) -> list[Rollout]:
        if len(self.calls) == self.fails_at:
            raise KeyboardInterrupt
        self.calls.append(([r.seed for r in requests], requests[0].sampling))
        return [written(r, [4, 5], f"Answer: {r.seed % 6}") for r in requests]


def prompts(count: int = 6) -> list[Prompt]:
    return choose(to_prompts(prompt_rows(count)), None)


def draw(
    engine: Any, out: Path, settings: EvaluateSettings = SETTINGS, pool: list[Prompt] | None = None
) -> pl.DataFrame:
    sample(pool or prompts(), engine, settings, ME, out / "samples.parquet", out / "scratch", "test")
    return artifacts.read(out / "samples.parquet", artifacts.ROLLOUTS)


def test_rows_carry_verdicts_and_names(tmp_path: Path) -> None:
    frame = draw(Recorder(), tmp_path)
    assert frame.shape[0] == 24
    assert frame.select("prompt_id", "sample_index").is_unique().all()
    assert set(frame["run_id"]) == {"toy"}
    assert set(frame["policy_step"]) == {3}
    answers = {p.id: p.answer for p in prompts()}
    for row in frame.iter_rows(named=True):
        seed = draw_seed(SETTINGS.seed, "evaluate", row["prompt_id"], row["sample_index"])
        assert row["response"] == f"Answer: {seed % 6}"
        assert row["acc"] == (str(seed % 6) == answers[row["prompt_id"]])
        assert (row["canonical_answer"], row["n_prompt_tokens"], row["n_response_tokens"]) == (str(seed % 6), 3, 2)


def test_every_policy_gets_the_same_random_numbers(tmp_path: Path) -> None:
    engines = [Recorder(), Recorder()]
    for i, engine in enumerate(engines):
        (tmp_path / str(i)).mkdir()
        draw(engine, tmp_path / str(i))
    assert engines[0].calls == engines[1].calls
    assert engines[0].calls[0][1] == Sampling(6)
    seeds = [s for call, _ in engines[0].calls for s in call]
    assert len(set(seeds)) == 24


def test_batches_change_nothing(tmp_path: Path) -> None:
    model, tokenizer = tiny_policy(WORDS)
    frames = []
    for size in (4, 64):
        (tmp_path / str(size)).mkdir()
        settings = SETTINGS.model_copy(update={"batch_size": size})
        frames.append(draw(HFEngine(model, tokenizer, size), tmp_path / str(size), settings))
    assert frames[0]["response_ids"].to_list() == frames[1]["response_ids"].to_list()
    assert frames[0]["response_ids"].n_unique() > 3


def test_a_killed_evaluation_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    draw(Recorder(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        draw(Recorder(fails_at=2), tmp_path / "killed")
    assert not (tmp_path / "killed/samples.parquet").exists()
    again = Recorder()
    draw(again, tmp_path / "killed")
    assert len(again.calls) == 1
    whole, killed = ((tmp_path / name / "samples.parquet").read_bytes() for name in ("whole", "killed"))
    assert whole == killed


def test_a_failing_verifier_stops_the_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(pairs: Sequence[tuple[Prompt, str]], spec: object) -> list[Verdict]:
        return [Verdict(0.0, "timeout", verifier="slow") for _ in pairs]

    monkeypatch.setattr(sampling_module, "verify_many", failing)
    settings = SETTINGS.model_copy(update={"samples": 300, "batch_size": 600})
    with pytest.raises(VerifierFailing, match="slow"):
        draw(Recorder(), tmp_path, settings)


def test_limit_takes_the_same_prompts_of_every_source_and_level() -> None:
    pool = to_prompts(prompt_rows(40))
    chosen = choose(pool, 3)
    assert [p.difficulty for p in chosen].count("easy") == 3
    assert len(chosen) == 6
    assert chosen == choose(list(reversed(pool)), 3)
    assert {p.id for p in chosen} <= {p.id for p in choose(pool, 5)}
    assert len(choose(pool, None)) == len(pool)
