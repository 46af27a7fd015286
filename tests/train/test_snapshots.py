"""Policies kept on the way change nothing of a run, survive its being killed, and load like any other."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from rlpipe import models
from rlpipe.train.snapshots import snapshot_steps
from tests.train.test_run import SETTINGS, Killed, files, policy, run

__all__ = ["policy"]  # the fixture
WITH = SETTINGS.model_copy(update={"snapshots": 3})


def kept(out: Path) -> dict[str, bytes]:
    """Every file of every snapshot."""
    found = sorted((out / "snapshots").rglob("*"))
    return {str(path.relative_to(out)): path.read_bytes() for path in found if path.is_file()}


@pytest.mark.parametrize(
    ("count", "steps", "expected"),
    [(0, 110, []), (3, 110, [28, 55, 82]), (3, 7, [2, 4, 5]), (3, 2, [1]), (1, 1, []), (9, 4, [1, 2, 3])],
)
def test_snapshots_are_evenly_apart_and_between_the_ends(count: int, steps: int, expected: list[int]) -> None:
    assert snapshot_steps(count, steps) == expected


def test_a_run_ends_bitwise_the_same_with_and_without(policy: Path, tmp_path: Path) -> None:
    without, with_ = run(policy, tmp_path / "without", ["grpo"]), run(policy, tmp_path / "with", ["grpo"], WITH)
    assert files(without) == files(with_)
    assert not (without / "snapshots").exists()
    assert sorted(p.name for p in (with_ / "snapshots").iterdir()) == ["step-2", "step-4", "step-5"]


def test_a_snapshot_is_the_policy_of_a_run_that_ends_there(policy: Path, tmp_path: Path) -> None:
    out = run(policy, tmp_path / "whole", ["grpo"], WITH)
    short = run(policy, tmp_path / "short", ["grpo"], SETTINGS.model_copy(update={"steps": 4}))
    weights = [models.load_policy(path)[0].state_dict() for path in (out / "snapshots" / "step-4", short / "policy")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])
    changed = models.load_policy(out / "snapshots" / "step-2")[0].state_dict()
    assert any(not torch.equal(changed[name], weights[1][name]) for name in weights[1])


@pytest.mark.parametrize("place", ["save_policy", "copytree", "checkpoint"])
def test_killed_and_resumed_it_has_the_same_snapshots(
    policy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    expected = run(policy, tmp_path / "whole", ["grpo"], WITH)
    places = {
        "save_policy": ("rlpipe.train.snapshots.models.save_policy", 2),
        "copytree": ("rlpipe.train.snapshots.shutil.copytree", 2),
        "checkpoint": ("rlpipe.train.run.checkpoint.save", 2),
    }
    name, after = places[place]
    original, calls = __import__("pydoc").locate(name), []

    def fatal(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == after:
            raise Killed
        return original(*args, **kwargs)

    out = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr(name, fatal)
        with pytest.raises(Killed):
            run(policy, out, ["grpo"], WITH)
    shutil.rmtree(out)
    again = run(policy, out, ["grpo"], WITH)
    assert files(again) == files(expected)
    assert kept(again) == kept(expected)
    assert len(kept(again)) > 3
