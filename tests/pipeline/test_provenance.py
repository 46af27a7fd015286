"""Keys, closures, plans, receipts, flags, pointers; the runner's corners that need no Snakemake."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlpipe.pipeline import provenance
from rlpipe.pipeline import scratch as work
from rlpipe.pipeline.code_hash import Code, tree_hash
from rlpipe.pipeline.machine import drift, versions
from rlpipe.pipeline.plan import Plan, set_flag, used
from rlpipe.pipeline.provenance import Spec, damage, digest, measure, pointer_key, pointer_md5, state, write_receipt
from rlpipe.pipeline.record import write_key

HOME = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parsed(source: str) -> str:
    import ast

    return tree_hash(ast.parse(source))


# --- code ------------------------------------------------------------------------------------------------------------

SOURCE = 'def area(r, *, pi=3.14):\n    """Of a circle."""\n    return pi * r**2\n'


@pytest.mark.parametrize(
    "same",
    [
        "# why\n" + SOURCE,
        SOURCE.replace('"""Of a circle."""', "'''In square metres.'''"),
        SOURCE.replace("    return pi * r**2", "    return (\n        pi * r ** 2\n    )"),
        '"""A module."""\n' + SOURCE,
        SOURCE.replace('    """Of a circle."""\n', ""),
    ],
)
def test_comments_layout_and_docstrings_do_not_count(same: str) -> None:
    assert parsed(same) == parsed(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"), [("3.14", "3.1415"), ("r**2", "r**2.0"), ("*, pi", "pi"), ("return", "yield"), ("area", "are")]
)
def test_meaning_counts(old: str, new: str) -> None:
    assert parsed(SOURCE.replace(old, new)) != parsed(SOURCE)


def test_none_true_and_text_are_told_apart() -> None:
    assert len({parsed(f"x = {value}") for value in ("None", "True", "1", "1.0", "'1'", "b'1'", "[]")}) == 7


def test_the_hash_is_the_same_on_every_machine_and_version() -> None:
    source = "class A(B):\n    x: int = 1\n\n    def f(self, *a, b=None):\n"
    source += "        return f'{self.x!r:>{b}}' if a else [i for i in a if i]\n"
    assert parsed(source) == "ff1294472aa2bb76e690ba5b49ed1f81"


def package(files: dict[str, str]) -> Path:
    """A package `rlpipe` in the current folder, its `__init__` files empty where not given."""
    for name, text in files.items():
        file = Path("rlpipe", name)
        for folder in [file.parent, *file.parent.parents][:-1]:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "__init__.py").touch()
        file.write_text(text)
    return Path()


CLOSURE = {
    "a.py": "from rlpipe.deep import b\nimport json\n",
    "deep/b.py": "def f():\n    from . import c\n    from .. import d as other\n",
    "deep/c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rlpipe.unused\n",
    "d.py": "import rlpipe.e as e\n",
    "e.py": "from rlpipe.pipeline.stage import Context\nfrom rlpipe.deep.c import NAME\n",
    "pipeline/stage.py": "import rlpipe.unused\n",
    "unused.py": "",
}


def test_a_closure_has_everything_that_can_be_imported_and_its_packages() -> None:
    found = Code(package(CLOSURE)).closure(["rlpipe.a"], leave_out=["rlpipe.pipeline.stage"])
    assert list(found) == ["rlpipe", *(f"rlpipe.{m}" for m in ("a", "d", "deep", "deep.b", "deep.c", "e"))]


def test_a_module_without_a_file_and_a_syntax_error_are_named() -> None:
    code = Code(package({"a.py": "def\n"}))
    with pytest.raises(ValueError, match=r"rlpipe\.methods\.none: no such file"):
        code.closure(["rlpipe.methods.none"])
    with pytest.raises(ValueError, match=r"a\.py:1: invalid syntax"):
        code.closure(["rlpipe.a"])


def test_the_memory_of_hashes_never_decides() -> None:
    root, memory = package(CLOSURE), Path("memory.json")
    first = Code(root, memory=memory)
    before = first.closure(["rlpipe.a"])
    first.remember()
    assert Code(root, memory=memory).closure(["rlpipe.a"]) == before
    stamp = os.stat("rlpipe/d.py")
    Path("rlpipe/d.py").write_text("import rlpipe.e as f\n")  # same size; and now the same time
    os.utime("rlpipe/d.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    after = Code(root, memory=memory).closure(["rlpipe.a"])
    assert {m for m in after if after[m] != before[m]} == {"rlpipe.d"}
    memory.write_text("{damaged")
    assert Code(root, memory=memory).closure(["rlpipe.a"]) == after


def test_the_hash_of_a_package_covers_the_files_in_its_folder() -> None:
    root, memory = package(CLOSURE), Path("memory.json")
    plain, sheet = Code(root).closure(["rlpipe.a"]), Path("rlpipe/deep/page.css")
    found = [plain]
    for text in ("a{}\n", "a{}\r\n", "b{}\n"):
        sheet.write_bytes(text.encode())
        code = Code(root, memory=memory)
        found.append(code.closure(["rlpipe.a"]))
        code.remember()
    assert [{m for m in plain if f[m] != found[0][m]} for f in found] == [set(), *[{"rlpipe.deep"}] * 3]
    assert found[1] == found[2] != found[3]
    sheet.unlink()
    Path("rlpipe/deep/.page.css.swp").touch()
    assert Code(root, memory=memory).closure(["rlpipe.a"]) == plain


# --- keys ------------------------------------------------------------------------------------------------------------


def spec(**changed: Any) -> Spec:
    known: dict[str, Any] = {
        "name": "train/grpo/seed-0",
        "root": "results",
        "wildcards": {"run": "grpo", "seed": "0"},
        "params": {"train": {"steps": 2, "rate": 0.1}},
        "code": {"rlpipe.stages.train": "aa"},
        "inputs": {"sft": "k1"},
        "sources": {},
    }
    return Spec(**{**known, **changed})


def test_digests_know_values_and_not_their_order() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert len({digest(v) for v in (1, 1.0, True, "1", [1], None, {"1": 1})}) == 7
    assert digest({}).startswith("k")
    assert len(digest({})) == 32


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "train/grpo/seed-1"},
        {"wildcards": {"run": "grpo", "seed": "1"}},
        {"params": {"train": {"steps": 3, "rate": 0.1}}},
        {"code": {"rlpipe.stages.train": "ab"}},
        {"inputs": {"sft": "k2"}},
        {"sources": {"a.jsonl": "0"}},
    ],
)
def test_whatever_may_influence_an_artifact_is_in_its_key(changed: dict[str, Any]) -> None:
    assert spec(**changed).key != spec().key


def test_how_a_job_was_asked_for_is_not() -> None:
    assert spec(root="results/study", forced=True, threads=8, configfiles=("x",)).key == spec().key


def test_an_action_has_the_content_of_inputs_in_place_of_their_keys() -> None:
    assert spec(inputs={"sft": "k2"}).action({"sft": "c"}) == spec().action({"sft": "c"})
    assert spec().action({"sft": "d"}) != spec().action({"sft": "c"})


def test_specs_are_read_as_they_were_written() -> None:
    written = spec(threads=2, configfiles=("study.yaml",))
    written.write()
    assert provenance.read_spec(Path("results/train/grpo/seed-0")) == written
    assert provenance.read_spec(Path("results/train/grpo/seed-1")) is None


def test_only_what_is_named_is_used() -> None:
    config = {"train": {"steps": 2}, "runs": {"a.b": {"methods": ["grpo"], "seeds": [0]}}, "evaluate": {"k": 1}}
    paths = [["train"], ["runs", "a.b", "methods"], ["runs", "a.b", "phases"], ["absent"]]
    assert used(config, paths) == {"train": {"steps": 2}, "runs": {"a.b": {"methods": ["grpo"]}}}


# --- the plan --------------------------------------------------------------------------------------------------------


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


# --- receipts and pointers -------------------------------------------------------------------------------------------


def artifact() -> Path:
    path = Path("results/sft")
    (path / "policy").mkdir(parents=True)
    (path / "policy" / "weights").write_text("abc")
    (path / "environment.json").write_text("{}")
    (path / "timings.parquet").write_text("1")
    return path


def test_damage_is_found_and_clocks_are_not_looked_at() -> None:
    path = artifact()
    stored = {"key": "k", "files": measure(path)}
    write_receipt(path, stored)
    assert list(stored["files"]) == ["policy/weights"]
    (path / "timings.parquet").write_text("2")
    assert damage(path, stored) is None
    for text, words in (("abd", "not what was written"), ("ab", "2 bytes instead of 3")):
        (path / "policy" / "weights").write_text(text)
        assert words in str(damage(path, stored))
    (path / "policy" / "weights").unlink()
    assert "missing" in str(damage(path, stored))


def test_a_renewed_receipt_does_not_write_through_a_link_into_the_cache() -> None:
    path, cached = artifact(), Path("cached")
    cached.write_text("kept")
    (path / "receipt.json").symlink_to(cached.resolve())
    write_receipt(path, {"key": "new"})
    assert cached.read_text() == "kept"
    assert provenance.receipt(path) == {"key": "new"}


POINTER = "outs:\n- md5: 0123abc.dir\n  size: 3\n  nfiles: 1\n  hash: md5\n  path: sft\n"


def test_a_pointer_repeats_the_key_whatever_else_its_meta_says() -> None:
    pointer = Path("results/sft.dvc")
    pointer.parent.mkdir()
    assert pointer_key(Path("results/sft")) is None
    pointer.write_text(POINTER)
    assert pointer_key(Path("results/sft")) is None
    assert pointer_md5(Path("results/sft")) == "0123abc"
    for key in ("k12", "k34"):
        write_key(pointer, key)
        assert pointer_key(Path("results/sft")) == key
    assert pointer.read_text() == POINTER + "meta:\n  key: k34\n"
    pointer.write_text(POINTER + "meta:\n  by: hand\n  key: 'k56'\ndesc: x\n")
    assert pointer_key(Path("results/sft")) == "k56"
    pointer.write_text("desc: key\n" + POINTER + "  desc: 'key: k78'\n")
    assert pointer_key(Path("results/sft")) is None


def test_where_an_artifact_is() -> None:
    path = artifact()
    assert state(path, "k1") == "absent"
    write_receipt(path, {"key": "k1", "files": {}})
    assert state(path, "k1") == "here"
    Path("results/sft.dvc").write_text(POINTER + "meta:\n  key: k2\n")
    assert state(path, "k2") == "elsewhere"
    (path / "receipt.json").write_text("{cut")
    assert state(path, "k1") == "absent"


# --- the runner ------------------------------------------------------------------------------------------------------


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
