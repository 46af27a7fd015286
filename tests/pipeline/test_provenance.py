"""Keys, receipts, flags, pointers, devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlpipe.pipeline import provenance
from rlpipe.pipeline.plan import used
from rlpipe.pipeline.provenance import damage, digest, measure, pointer_key, pointer_md5, state, write_receipt
from rlpipe.pipeline.record import write_key
from tests.pipeline.small import artifact, spec

pytestmark = pytest.mark.usefixtures("own_folder")


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
