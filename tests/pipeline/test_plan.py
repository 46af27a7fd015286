"""What a plan reads off the rules, and its flags."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlpipe.pipeline import provenance
from rlpipe.pipeline.code_hash import Code
from rlpipe.pipeline.plan import Plan, set_flag
from rlpipe.pipeline.provenance import write_receipt
from tests.pipeline.small import package

pytestmark = pytest.mark.usefixtures("own_folder")


def rule(output: str, *inputs: Any, uses: Any = (), code: Any = ()) -> SimpleNamespace:
    return SimpleNamespace(output=[output], input=list(inputs), params=SimpleNamespace(uses=list(uses), code=code))


RULES = {
    "curate": rule("results/curate.done", "raw.txt", uses=["curate"]),
    "train": rule(
        "results/train/{run}/seed-{seed}.done",
        lambda w: [],
        "results/curate.done",
        uses=["runs.{run}.methods"],
        code=lambda w: [f"rlpipe.methods.{w.run}"],
    ),
    "evaluate_sft": rule("results/evaluate/sft.done", "results/curate.done", uses=["evaluate"]),
    "evaluate": rule(
        "results/evaluate/{run}/seed-{seed}.done", "results/train/{run}/seed-{seed}.done", uses=["evaluate"]
    ),
}
STAGES = {f"stages/{name}.py": "" for name in ("curate", "train", "evaluate")}
CONFIG = {"curate": {"seed": 0}, "runs": {"grpo": {"methods": ["grpo"], "seeds": [0]}}, "evaluate": {"k": 1}}
TARGETS = ["results/evaluate/grpo/seed-0.done", "results/evaluate/sft.done"]


def plan(config: dict[str, Any] = CONFIG) -> Plan:
    root = package({**STAGES, "methods/grpo.py": "x = 1\n"})
    return Plan(RULES, config, TARGETS, "results", Code(root))


def test_a_plan_has_producers_first_and_what_each_is_made_of() -> None:
    Path("raw.txt").write_text("one\n")
    found = plan()
    assert list(found.specs) == ["curate", "train/grpo/seed-0", "evaluate/grpo/seed-0", "evaluate/sft"]
    train = found.specs["train/grpo/seed-0"]
    assert train.params == {"runs": {"grpo": {"methods": ["grpo"]}}}
    assert train.inputs == {"curate": found.specs["curate"].key}
    assert {"rlpipe.methods.grpo", "rlpipe.stages.train", "rlpipe.methods", "rlpipe"} <= train.code.keys()
    assert found.specs["curate"].sources == {"raw.txt": provenance.md5(Path("raw.txt"))}
    assert found.rule_of["evaluate/sft"] == "evaluate_sft"


def test_source_files_count_by_content_here_or_in_their_pointer() -> None:
    raw = Path("raw.txt")
    raw.write_text("one\n")
    keys = {name: s.key for name, s in plan().specs.items()}
    os.utime(raw, (1, 1))
    assert {name: s.key for name, s in plan().specs.items()} == keys
    Path("raw.txt.dvc").write_text(f"outs:\n- md5: {provenance.md5(raw)}\n  size: 4\n  hash: md5\n  path: raw.txt\n")
    raw.unlink()
    assert {name: s.key for name, s in plan().specs.items()} == keys
    Path("raw.txt.dvc").unlink()
    with pytest.raises(ValueError, match=r"raw\.txt: no such file, nor a pointer raw\.txt\.dvc"):
        plan()


def test_a_folder_counts_by_all_its_files_here_or_in_its_pointer() -> None:
    raw = Path("raw.txt")  # a folder, whatever its name
    (raw / "deep").mkdir(parents=True)
    (raw / "b.jsonl").write_text("two\n")
    (raw / "deep" / "a.jsonl").write_text("one\n")
    first = plan().specs["curate"]
    os.utime(raw / "b.jsonl", (1, 1))
    assert plan().specs["curate"].key == first.key
    subprocess.run(["dvc", "init", "--no-scm", "-q"], check=True)
    subprocess.run(["dvc", "add", "-q", str(raw)], check=True)
    assert provenance.pointer_md5(raw) == first.sources["raw.txt"], "as DVC has it"
    shutil.move(raw, "elsewhere")
    assert plan().specs["curate"].key == first.key
    shutil.move("elsewhere", raw)
    (raw / "c.jsonl").write_text("three\n")
    assert plan().specs["curate"].key != first.key, "another shard"
    (raw / "c.jsonl").unlink()
    (raw / "b.jsonl").rename(raw / "c.jsonl")
    assert plan().specs["curate"].key != first.key, "another name, another place in the order"


def test_flags_follow_receipts_and_pointers_and_all_have_one_time() -> None:
    Path("raw.txt").write_text("one\n")
    found = plan()
    here, recorded = found.specs["curate"], found.specs["evaluate/sft"]
    here.path.mkdir(parents=True)
    write_receipt(here.path, {"key": here.key, "files": {}})
    recorded.path.parent.mkdir(parents=True)
    Path("results/evaluate/sft.dvc").write_text(f"outs:\n- md5: aa.dir\n  path: sft\nmeta:\n  key: {recorded.key}\n")
    Path("results/train/grpo").mkdir(parents=True)
    Path("results/train/grpo/seed-0.done").touch()  # of an artifact there is not
    assert found.sync() == [recorded.path]
    flags = {str(f): f.stat().st_mtime_ns for f in Path("results").rglob("*.done")}
    assert flags == {"results/curate.done": 0, "results/evaluate/sft.done": 0}


def test_while_a_run_holds_the_lock_nothing_is_touched() -> None:
    Path("raw.txt").write_text("one\n")
    locks = Path(".snakemake/locks")
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/other/train.done\n")
    assert not plan().locked()
    (locks / "0.output.lock").write_text("results/evaluate/sft.done\n")
    found = plan()
    assert found.locked()
    set_flag(Path("results/curate.done"), True)
    found.sync()
    assert Path("results/curate.done").exists()
    assert not Path(".rlpipe/specs").exists()


def test_specs_of_what_is_no_longer_wanted_are_swept_but_not_those_of_a_study() -> None:
    Path("raw.txt").write_text("one\n")
    stale, other = Path(".rlpipe/specs/results/train/old/seed-0.json"), Path(".rlpipe/specs/results/study/train/a.json")
    for file in (stale, other):
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    plan().sync()
    assert not stale.exists()
    assert other.exists()
