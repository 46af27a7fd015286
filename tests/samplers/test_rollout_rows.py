"""Rollouts as rows: what a policy wrote, what it read, where it branched off, and how it was drawn."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from rlpipe import artifacts
from rlpipe.samplers.rollout_rows import prompt_columns, rollout_columns, sampling_json, verdict_columns
from rlpipe.types import Rollout, Sampling, Verdict
from tests.toy import rollout, toy_prompt

MASK = torch.tensor([False, False, True, True, False, True])
TALKED = Rollout(torch.arange(6), MASK, -torch.arange(6.0), torch.arange(6.0), ("3 + 4 = 2 answer",), "stop")


def test_one_stretch_is_told_by_its_tokens_alone() -> None:
    columns = rollout_columns(rollout(3))
    assert columns["response_ids"] == [2, 3, 4]
    assert (columns["n_prompt_tokens"], columns["n_response_tokens"]) == (2, 3)
    told = ("agent", "stop", "parent", "branched_at", "turns", "trajectory_ids", "trajectory_mask")
    assert all(columns[name] is None for name in told)


def test_what_a_tool_said_stands_among_the_tokens_and_is_marked() -> None:
    columns = rollout_columns(TALKED)
    assert columns["trajectory_ids"] == [2, 3, 4, 5]
    assert columns["trajectory_mask"] == [True, True, False, True]
    assert columns["response_ids"] == [2, 3, 5]
    assert columns["logprobs"] == [-2.0, -3.0, -5.0]
    assert columns["turns"] is None
    assert (columns["n_prompt_tokens"], columns["n_response_tokens"]) == (2, 3)


def test_turns_branches_and_agents_are_kept() -> None:
    columns = rollout_columns(replace(TALKED, turns=("a", "b"), parent=0, branched_at=3, agent="observer", stop="="))
    assert (columns["turns"], columns["parent"], columns["branched_at"]) == (["a", "b"], 0, 3)
    assert (columns["agent"], columns["stop"], columns["response"]) == ("observer", "=", "b")


@dataclass(frozen=True)
class Banned:
    token: int
    name: str = "banned"

    def __call__(self, logits, position):
        return logits


def test_the_sampling_is_said_in_full_and_briefly() -> None:
    plain = {"max_new_tokens": 4, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
    assert json.loads(sampling_json(Sampling(4))) == plain
    known = json.loads(sampling_json(Sampling(4, stop=("=",), logit_rule=Banned(7))))
    assert known == plain | {"stop": ["="], "logit_rule": {"name": "banned", "token": 7}}


def test_rows_have_the_schema(tmp_path: Path) -> None:
    row = {"run_id": "r", "model_id": "r", "policy_step": 0, "reward": 1.0}
    row |= prompt_columns(toy_prompt("p"), 3) | rollout_columns(TALKED) | verdict_columns(Verdict(1.0, "ok"))
    artifacts.write(tmp_path / "rows.parquet", artifacts.ROLLOUTS, [row])
    found = artifacts.read(tmp_path / "rows.parquet", artifacts.ROLLOUTS).to_dicts()[0]
    assert found["trajectory_mask"] == [True, True, False, True]
    assert (found["sample_index"], found["acc"]) == (3, True)
