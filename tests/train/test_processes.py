"""Two processes give the numbers of one to the order of sums; killed and resumed, they end bitwise where they would have."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from rlpipe import models
from rlpipe.train.launch import train_in_processes
from rlpipe.train.run import Job
from rlpipe.train.settings import PhaseSettings, TrainSettings
from rlpipe.types import Prompt
from tests.toy import tiny_policy

METHODS = ["reinforce_pp", {"kl_penalty": {"coefficient": 0.1}}, {"entropy_bonus": {"coefficient": 0.01}}]
POOL = [Prompt(f"p{i}", ({"role": "user", "content": f"w{i}"},), f"w{i}", "toy") for i in range(6)]
SETTINGS = TrainSettings(
    steps=4,
    prompts=5,
    rollouts=3,
    mini_batches=2,
    max_new_tokens=5,
    micro_batch_tokens=30,
    checkpoint_every=2,
    learning_rate=3e-3,
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("start") / "policy"
    models.save_policy(*tiny_policy(), path)
    return path


def job(policy: Path, processes: int, **changed) -> Job:
    settings = SETTINGS.model_copy(update={"processes": processes, **changed})
    return Job("toy", 0, [PhaseSettings(methods=METHODS)], settings, POOL, policy)


def run(asked: Job, out: Path) -> Path:
    scratch = out.with_name(out.name + "-scratch")
    for folder in (out, scratch):
        folder.mkdir(exist_ok=True)
    train_in_processes(asked, out, scratch)
    return out


def close(a: Path, b: Path, by: float) -> None:
    first, second = (load_file(folder / "policy" / "model.safetensors") for folder in (a, b))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=by, rtol=0)


@pytest.fixture(scope="module")
def alone(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(job(policy, 1), tmp_path_factory.mktemp("alone") / "out")


@pytest.mark.parametrize("shard", ["never", "always"])
def test_two_give_the_numbers_of_one(policy: Path, alone: Path, tmp_path: Path, shard: str) -> None:
    out = run(job(policy, 2, shard=shard), tmp_path / "out")
    close(out, alone, 2e-5)
    rows = [pl.read_parquet(folder / "metrics.parquet") for folder in (alone, out)]
    assert rows[0].columns == rows[1].columns
    for name in rows[0].columns:
        assert rows[1][name].to_list() == pytest.approx(rows[0][name].to_list(), abs=2e-4), name
    texts = [pl.read_parquet(folder / "rollouts.parquet") for folder in (alone, out)]
    assert texts[0]["response_ids"].to_list() == texts[1]["response_ids"].to_list()


def test_one_killed_ends_both_and_the_same_command_goes_on(policy: Path, tmp_path: Path) -> None:
    whole = run(job(policy, 2, steps=6), tmp_path / "whole")
    out = tmp_path / "killed"
    scratch = out.with_name("killed-scratch")
    script = (
        "import pickle, sys; from pathlib import Path; from rlpipe.train.launch import train_in_processes;"
        "train_in_processes(pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    for folder in (out, scratch):
        folder.mkdir()
    file = tmp_path / "job"
    file.write_bytes(pickle.dumps(job(policy, 2, steps=6)))
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(file), str(out), str(scratch)], stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 240
    while not (scratch / "checkpoint.pt").exists() and time.monotonic() < deadline and started.poll() is None:
        time.sleep(0.01)
    workers = children_of(started.pid)
    os.kill(workers[-1], signal.SIGKILL)
    _, said = started.communicate(timeout=240)
    assert started.returncode
    assert "run toy seed 0: one of its 2 processes ended" in said
    assert not (out / "policy").exists()
    resumed = run(job(policy, 2, steps=6), out)
    for name in ("policy/model.safetensors", "rollouts.parquet", "metrics.parquet"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name


def children_of(parent: int) -> list[int]:
    """Processes that train, below a process."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    below, found = {parent}, []
    for pid, ppid, args in sorted(rows, key=lambda r: int(r[0])):
        if int(ppid) in below:
            below.add(int(pid))
            if "rlpipe.train.launch" in args and "torch.distributed.run" not in args:
                found.append(int(pid))
    return found
