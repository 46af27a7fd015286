"""The identity of artifacts: keys, specs, receipts, flags and pointers. Standard library only.

spec      all that may influence an artifact: stage, wildcards, parameters, code, inputs
key       hash of the spec; inputs enter by their keys, so it is known before anything runs
action    as the key, but inputs enter by content; known when a job starts, and lets a chain stop early
receipt   `receipt.json` inside the artifact, written last: key, action, spec, size and MD5 of every file
flag      `results/<artifact>.done`, empty: all that Snakemake sees
pointer   `results/<artifact>.dvc`: DVC's record of the data, whose `meta` repeats the key
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

WORK = Path(".rlpipe")  # specs, locks and scratch; nothing in it is an input of anything
STAGES = ("curate", "sft", "train", "evaluate", "contamination", "search", "report")
RECEIPT = "receipt.json"
CLOCKED = frozenset({"environment.json", "timings.parquet"})  # hold clocks, so they are in no hash

# What moves artifacts has no say in what they hold: otherwise every mend of the runner would retrain everything.
PLUMBING = (
    "rlpipe.pipeline.code_hash",
    "rlpipe.pipeline.devices",
    "rlpipe.pipeline.import_guard",
    "rlpipe.pipeline.machine",
    "rlpipe.pipeline.plan",
    "rlpipe.pipeline.portable",
    "rlpipe.progress",
    "rlpipe.pipeline.provenance",
    "rlpipe.pipeline.record",
    "rlpipe.pipeline.stage",
    "rlpipe.pipeline.scratch",
)


class ProvenanceError(ValueError):
    """An artifact cannot be made, or not be trusted, as things stand; the message names the remedy."""


def digest(value: Any) -> str:
    """Hash of a JSON value, 32 characters. It starts with a letter, so that YAML never takes it for a number."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return "k" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()[1:]


@dataclass(frozen=True)
class Spec:
    """What the plan says of one artifact. `inputs` are keys by artifact name, `sources` MD5 by path."""

    name: str  # below the results folder: `train/grpo/seed-0`
    root: str  # the results folder: `results`, or `results/<study>`
    wildcards: Mapping[str, str]
    params: Mapping[str, Any]
    code: Mapping[str, str]
    inputs: Mapping[str, str]
    sources: Mapping[str, str]
    threads: int = 1  # of the process; where results depend on it, it is among `params` as well
    forced: bool = False  # Snakemake was told to make it again
    configfiles: tuple[str, ...] = field(default=())  # what the plan was made from, when not from params.yaml

    @property
    def stage(self) -> str:
        return self.name.partition("/")[0]

    @property
    def path(self) -> Path:
        """The artifact's directory."""
        return Path(self.root, self.name)

    @property
    def content(self) -> dict[str, Any]:
        """What the key is a hash of: neither the results folder nor how the job was asked for."""
        names = ("wildcards", "params", "code", "inputs", "sources")
        return {"artifact": self.name, **{name: dict(getattr(self, name)) for name in names}}

    @property
    def key(self) -> str:
        return digest(self.content)

    def action(self, inputs: Mapping[str, str]) -> str:
        """The key with inputs by content instead: hash by artifact name."""
        return digest({**self.content, "inputs": dict(inputs)})

    def write(self) -> None:
        """Into `.rlpipe/specs`; only when it differs from what is there."""
        text = json.dumps({"key": self.key, **self.__dict__}, indent=1, sort_keys=True) + "\n"
        file = spec_file(self.path)
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            write_text(file, text)


def spec_file(artifact: Path) -> Path:
    return WORK / "specs" / artifact.parent / (artifact.name + ".json")


def read_spec(artifact: Path) -> Spec | None:
    """What the last plan said of an artifact; None if it was not part of it."""
    stored = read_json(spec_file(artifact))
    if stored is None:
        return None
    stored.pop("key")
    return Spec(**{**stored, "configfiles": tuple(stored["configfiles"])})


def artifact_of(path: str | Path) -> Path:
    """`results/sft`, `results/sft/`, `results/sft.done` and `results/sft.dvc` all name one artifact."""
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".done", ".dvc") else path


def beside(artifact: Path, suffix: str) -> Path:
    """The flag (`.done`) or the pointer (`.dvc`) of an artifact."""
    return artifact.with_name(artifact.name + suffix)


def receipt(artifact: Path) -> dict[str, Any] | None:
    """The receipt inside an artifact; None where there is no artifact or it is not complete."""
    return read_json(artifact / RECEIPT)


def pointer_key(artifact: Path) -> str | None:
    """The key that the pointer repeats; None without a pointer, or with one that was made by hand."""
    return _pointer_field(beside(artifact, ".dvc"), r"^meta:\n(?:[ ].*\n)*?[ ]+key: *['\"]?(\w+)")


def pointer_md5(file: Path) -> str | None:
    """MD5 of a source file, or of the listing of a folder, according to its pointer; None without one."""
    return _pointer_field(beside(file, ".dvc"), r"^[- ]+md5: *(\w+)(?:\.dir)?$")


def _pointer_field(pointer: Path, pattern: str) -> str | None:
    # A regular expression, as reading the Snakefile must not wait for a YAML parser.
    try:
        found = re.search(pattern, pointer.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return None
    return next((group for group in found.groups() if group), None) if found else None


def state(artifact: Path, key: str) -> Literal["here", "elsewhere", "absent"]:
    """Where the artifact of this key is: here by its receipt, or recorded in the pointer with its data elsewhere."""
    stored = receipt(artifact)
    if stored is not None and stored.get("key") == key:
        return "here"
    return "elsewhere" if pointer_key(artifact) == key else "absent"


def measure(artifact: Path) -> dict[str, dict[str, Any]]:
    """Size and MD5 of every file of an artifact by its path in it, but for the receipt and files with clocks."""
    return {
        file.relative_to(artifact).as_posix(): {"size": file.stat().st_size, "md5": md5(file)}
        for file in sorted(files_of(artifact))
    }


def files_of(artifact: Path) -> Iterator[Path]:
    """The files that count."""
    for file in artifact.rglob("*"):
        if file.is_file() and file.name not in CLOCKED and file != artifact / RECEIPT:
            yield file


def content_of(stored: Mapping[str, Any]) -> str:
    """Hash of an artifact's bytes, from its receipt."""
    return digest({name: entry["md5"] for name, entry in stored["files"].items()})


def damage(artifact: Path, stored: Mapping[str, Any]) -> str | None:
    """What is wrong with the files of an artifact, by its receipt; None if they are whole."""
    for name, entry in stored["files"].items():
        file = artifact / name
        if not file.is_file():
            return f"{file} is missing"
        if file.stat().st_size != entry["size"]:
            return f"{file} has {file.stat().st_size} bytes instead of {entry['size']}"
        if md5(file) != entry["md5"]:
            return f"{file} is not what was written (its MD5 differs)"
    return None


def md5(file: Path) -> str:
    """As DVC uses it; a check against accidents, not against intent."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def listing_md5(folder: Path, of: Callable[[Path], str] = md5) -> str:
    """MD5 of the listing of a folder's files, as in the pointer that `dvc add` writes for the folder."""
    files = ((file.relative_to(folder).as_posix(), file) for file in folder.rglob("*") if file.is_file())
    listing = [{"md5": of(file), "relpath": name} for name, file in sorted(files)]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def read_json(file: Path) -> dict[str, Any] | None:
    """None where there is no such file; a damaged one counts as absent."""
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_text(file: Path, text: str) -> None:
    """Through a temporary name: complete or absent, and never through a link into DVC's cache."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)


def write_receipt(artifact: Path, stored: Mapping[str, Any]) -> None:
    write_text(artifact / RECEIPT, json.dumps(stored, indent=1, sort_keys=True) + "\n")
