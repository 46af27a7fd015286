"""Why an artifact would be made again: which parameter, module, input or source file differs from what it was made of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlpipe.pipeline.provenance import (
    RECEIPT,
    ProvenanceError,
    Spec,
    artifact_of,
    beside,
    pointer_md5,
    read_json,
    read_spec,
    receipt,
    state,
)

CACHE = Path(".dvc/cache/files/md5")


def refresh(configfiles: Sequence[str | Path] = ()) -> None:
    """Have Snakemake read the Snakefile, which brings specs and flags in line with the parameters as they are now.

    Raises: ProvenanceError with what Snakemake said, if the parameters or the code cannot be used.
    """
    call = [sys.executable, "-m", "snakemake", "--list-rules"]
    if configfiles:
        call += ["--configfile", *map(str, configfiles)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if not line.startswith(("Using ", "  File "))]
        raise ProvenanceError("\n".join(lines))


def root_of(configfile: Path | None) -> str:
    """The results folder of a file of parameters."""
    import yaml

    config = yaml.safe_load(configfile.read_text(encoding="utf-8")) if configfile else {}
    return f"results/{config['study']}" if config.get("study") else "results"


def planned(artifact: str | Path, configfiles: Sequence[str | Path] = ()) -> Spec | None:
    """What an artifact should be made of, as of now; None if nothing in the parameters asks for it."""
    path = artifact_of(artifact)
    known = read_spec(path)
    refresh(configfiles or (known.configfiles if known else ()))
    return read_spec(path)


def explain(spec: Spec) -> Iterator[str]:
    """Lines that say whether the artifact stands, and if not, why; the reasons of its inputs below it, indented."""
    yield from _explain(spec, set())


def _explain(spec: Spec, told: set[str]) -> Iterator[str]:
    where = state(spec.path, spec.key)
    if where == "here":
        yield f"{spec.path}: up to date"
        return
    if where == "elsewhere":
        yield f"{spec.path}: up to date; its data is not here: `dvc pull {beside(spec.path, '.dvc')}`"
        return
    old = receipt(spec.path) or recorded_receipt(spec.path)
    if old is None:
        yield f"{spec.path}: {_never(spec.path)}"
        return
    yield f"{spec.path}: would be made again"
    for line in differences(old["spec"], spec.content) or ["the way keys are computed changed"]:
        yield f"  {line}"
    for name, key in spec.inputs.items():
        below = read_spec(Path(spec.root, name))
        if old["spec"]["inputs"].get(name) == key or below is None or name in told:
            continue
        told.add(name)
        yield from (f"  {line}" for line in _explain(below, told))


def _never(artifact: Path) -> str:
    pointer = beside(artifact, ".dvc")
    if not pointer.is_file():
        return "would be made; there is none yet"
    whole = f"`dvc pull {artifact / RECEIPT}` brings what is needed to say why"
    return f"would be made again: {pointer} records another key; {whole}"


def recorded_receipt(artifact: Path) -> dict[str, Any] | None:
    """The receipt of the artifact a pointer names, from DVC's cache; None if it is not there."""
    folder = pointer_md5(artifact)
    if folder is None:
        return None
    try:
        listing = json.loads((CACHE / folder[:2] / f"{folder[2:]}.dir").read_bytes())
    except (OSError, ValueError):
        return None
    found = [entry["md5"] for entry in listing if entry["relpath"] == RECEIPT]
    return read_json(CACHE / found[0][:2] / found[0][2:]) if found else None


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What changed from one spec to another, a line each; inputs by name only."""
    lines = list(_parameters(old["params"], new["params"]))
    for kind, word in (("code", "module"), ("sources", "source file"), ("inputs", "input")):
        lines += _changed(word, old[kind], new[kind])
    return lines


def _changed(word: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"{word} {name}: new"
        elif name not in new:
            yield f"{word} {name}: no longer used"
        elif old[name] != new[name]:
            yield f"{word} {name}: changed"


def _parameters(old: Any, new: Any) -> Iterator[str]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for key in dict.fromkeys([*before, *after]):
        if key not in before:
            yield f"parameter {key}: now {_shown(after[key])}"
        elif key not in after:
            yield f"parameter {key}: no longer given (was {_shown(before[key])})"
        elif before[key] != after[key] or type(before[key]) is not type(after[key]):
            yield f"parameter {key}: {_shown(before[key])} -> {_shown(after[key])}"


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Scalars, and lists of scalars, by their path."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{key}[{i}]")
    else:
        yield key, value


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def in_order(specs: Iterable[Spec]) -> list[Spec]:
    """Producers before what is made of them."""
    known = {spec.name: spec for spec in specs}
    ordered: dict[str, Spec] = {}

    def add(spec: Spec) -> None:
        for name in spec.inputs:
            if name in known:
                add(known[name])
        ordered.setdefault(spec.name, spec)

    for spec in known.values():
        add(spec)
    return list(ordered.values())
