"""What the receipt of a run says of its methods."""

from __future__ import annotations

import pytest

from rlpipe.stages.train import phases
from rlpipe.train.settings import RunSettings

CHANGES = ["kl_cov replaces grpo's policy_loss", "kl_penalty wraps grpo's advantage"]


def test_the_receipt_names_hyperparameters_and_what_methods_change_of_each_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = RunSettings(seeds=[0], methods=["grpo", {"kl_cov": {"fraction": 0.01}}, {"kl_penalty": {"where": "reward"}}])
    (found,) = phases(run)
    assert found["until"] is None
    named = {name: values for method in found["methods"] for name, values in method.items()}
    assert named["kl_cov"]["fraction"] == 0.01
    assert set(named["grpo"]) >= {"clip_low", "clip_high"}
    assert found["changes"] == CHANGES
    assert capsys.readouterr().out.splitlines() == [f"methods: {change}" for change in CHANGES]


def test_phases_are_told_apart_and_a_plain_run_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    run = RunSettings(seeds=[0], phases=[{"until": 0.5, "methods": ["grpo"]}, {"methods": ["dr_grpo"]}])
    first, second = phases(run)
    assert (first["until"], second["until"]) == (0.5, None)
    assert first["changes"] == second["changes"] == []
    assert capsys.readouterr().out == ""
