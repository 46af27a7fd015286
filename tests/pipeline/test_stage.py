"""The runner's corners that need no Snakemake."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rlpipe.pipeline import provenance
from rlpipe.pipeline import scratch as work
from rlpipe.pipeline.code_hash import Code
from rlpipe.pipeline.machine import drift, versions
from rlpipe.pipeline.provenance import Spec, measure, write_receipt
from tests.pipeline.small import artifact, package, spec

pytestmark = pytest.mark.usefixtures("own_folder")
HOME = Path(__file__).parents[2]


def stage(body: str, **changed: Any) -> Spec:
    """A project with one stage `train` of this body, and its spec on disk."""
    root = package(
        {"stages/train.py": f"from rlpipe.pipeline.stage import Context\n\n\ndef main(ctx: Context) -> None:\n{body}"}
    )
    for name in (*provenance.PLUMBING, "rlpipe.pipeline.stage"):
        source = HOME / Path(*name.split(".")).with_suffix(".py")
        package({str(Path(*name.split(".")[1:]).with_suffix(".py")): source.read_text()})
    code = Code(root).closure(["rlpipe.stages.train"], leave_out=provenance.PLUMBING)
    made = spec(code=code, inputs={}, **changed)
    made.write()
    return made


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "rlpipe.pipeline.stage", "results/train/grpo/seed-0.done", *arguments]
    return subprocess.run(call, text=True, capture_output=True, env={**os.environ, "PYTHONPATH": "", **environment})


def test_a_stage_sees_what_is_declared_and_its_notes_are_kept() -> None:
    made = stage(
        "    import os\n    print(dict(ctx.params), dict(ctx.inputs), os.environ['OMP_NUM_THREADS'])\n"
        "    ctx.notes['methods'] = ['grpo']\n    (ctx.out / 'x').write_text('1')\n",
        threads=3,
    )
    done = make()
    assert done.returncode == 0, done.stderr
    assert "{'train': {'rate': 0.1, 'steps': 2}} {} 3" in done.stdout
    stored = json.loads((made.path / "receipt.json").read_text())
    assert stored["notes"] == {"methods": ["grpo"]}
    assert stored["spec"] == made.content
    facts = json.loads((made.path / "environment.json").read_text())
    assert facts["wall_seconds"] >= 0
    assert facts["peak_memory_bytes"] > 2**20
    assert facts["command"] == "python -m rlpipe.pipeline.stage results/train/grpo/seed-0.done"
    assert not Path(".rlpipe/work", made.path).exists()
    assert "stands" in make().stdout
    assert "complete" in make("--force").stdout


def test_versions_that_differ_are_named() -> None:
    now = versions()
    assert drift({"versions": now}) == drift({}) == []
    assert drift({"versions": {**now, "numpy": "1.0", "altair": "1.0"}}) == [f"numpy 1.0 -> {now['numpy']}"]


def test_a_stage_that_leaves_nothing_behind_is_an_error() -> None:
    stage("    return\n")
    done = make()
    assert done.returncode == 1
    assert "left nothing in ctx.out" in done.stderr


def test_what_was_completed_but_not_installed_is_taken_over() -> None:
    made = stage("    raise AssertionError('ran again')\n")
    out = work.workplace(made.path, made.action({}))[1]
    out.mkdir(parents=True)
    (out / "x").write_text("1")
    write_receipt(out, {"key": "older", "action": made.action({}), "files": measure(out), "spec": {}})
    done = make()
    assert done.returncode == 0, done.stderr
    assert provenance.receipt(made.path) is not None
    assert (provenance.receipt(made.path) or {})["key"] == made.key


def test_a_bug_shows_its_traceback_and_a_message_of_ours_does_not() -> None:
    stage("    ctx.params['none']\n")
    done = make()
    assert "Traceback" in done.stderr
    assert "KeyError: 'none'" in done.stderr
    stage("    raise ValueError('train.steps = 2: too few')\n")
    done = make()
    assert "results/train/grpo/seed-0: train.steps = 2: too few" in done.stderr
    assert "Traceback" not in done.stderr


def test_code_that_is_not_the_planned_code_does_not_run() -> None:
    stage("    (ctx.out / 'x').write_text('1')\n")
    Path("rlpipe/stages/train.py").write_text("def main(ctx): ...\n")
    assert "rlpipe.stages.train changed since this run was planned" in make().stderr


def test_a_folder_of_sources_has_to_be_the_planned_one() -> None:
    raw = Path("raw")
    raw.mkdir()
    (raw / "a.jsonl").write_text("one\n")
    stage("    (ctx.out / 'x').write_text('1')\n", sources={"raw": provenance.listing_md5(raw)})
    (raw / "b.jsonl").write_text("two\n")
    assert "raw changed since this run was planned: start snakemake again" in make().stderr
    (raw / "b.jsonl").unlink()
    done = make()
    assert done.returncode == 0, done.stderr
    (raw / "a.jsonl").unlink()
    raw.rmdir()
    assert "raw is not here: `dvc pull raw.dvc`" in make("--force").stderr


def test_results_on_another_disk_are_copied_beside_and_then_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    out, path = Path(".rlpipe/out"), artifact()
    out.mkdir(parents=True)
    (out / "x").write_text("new")
    rename = os.rename

    def across(source: Path, target: Path) -> None:
        if source == out:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(source, target)

    monkeypatch.setattr(os, "rename", across)
    work.install(out, path)
    assert [f.name for f in path.iterdir()] == ["x"]
    assert [f.name for f in Path("results").iterdir()] == ["sft"]


def test_devices_are_leased_one_each() -> None:
    script = "from rlpipe.pipeline.devices import lease; print(*lease(1), flush=True); input()"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "7,9", "PYTHONPATH": str(HOME), "TMPDIR": str(Path.cwd())}
    call = [sys.executable, "-c", script]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    holders: list[Any] = [subprocess.Popen(call, **pipes) for _ in range(2)]
    assert sorted(h.stdout.readline().strip() for h in holders) == ["7", "9"]
    waiting: Any = subprocess.Popen(call, **pipes)
    holders[0].kill()
    freed = waiting.stdout.readline().strip()
    assert freed in ("7", "9")
    for process in (*holders, waiting):
        process.kill()
        process.communicate()


def test_more_devices_than_there_are_is_an_error_and_none_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    from rlpipe.pipeline.devices import lease

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(ValueError, match="2 devices asked for, 1 here"):
        lease(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert lease(1) == []


def test_kernels_are_pinned_unless_the_parameters_say_otherwise() -> None:
    body = (
        "    import os\n    print('kernels', os.environ.get('ATEN_CPU_CAPABILITY'), os.environ.get('MKL_CBWR'))\n"
        "    (ctx.out / 'x').write_text('1')\n"
    )
    ours = {"ATEN_CPU_CAPABILITY": "", "MKL_CBWR": ""}
    stage(body)
    assert "kernels avx2 AVX2" in make(**ours).stdout
    stage(body, params={"portable": False})
    assert "kernels  \n" in make("--force", **ours).stdout


def test_a_receipt_remembers_what_stood_there_before() -> None:
    made = stage("    (ctx.out / 'x').write_text('1')\n")
    receipts = []
    for rate in (0.1, 0.2, 0.2, 0.1):
        made = stage("    (ctx.out / 'x').write_text('1')\n", params={"train": {"rate": rate}})
        assert make("--force").returncode == 0
        receipts.append(json.loads((made.path / "receipt.json").read_text()))
    actions = [r["action"] for r in receipts]
    assert actions[0] != actions[1] == actions[2]
    assert [r["earlier"] for r in receipts] == [[], [actions[0]], [actions[0]], [actions[1]]]
