"""What every stage does around its work: `python -m rlpipe.pipeline.stage results/<artifact>.done`.

Lock the artifact, check code and inputs against the plan, let a standing artifact stand, else run `main(ctx)` of
`rlpipe/stages/<stage>.py` into a fresh directory, write the receipt, and move the directory into place. Whatever goes
wrong before the move leaves the earlier artifact untouched. No stage is imported until it has to run.
"""

from __future__ import annotations

import argparse
import errno
import io
import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from rlpipe.pipeline import provenance
from rlpipe.pipeline.code_hash import Code
from rlpipe.pipeline.import_guard import ImportGuard
from rlpipe.pipeline.portable import pin_kernels
from rlpipe.pipeline.provenance import (
    PLUMBING,
    ProvenanceError,
    Spec,
    artifact_of,
    beside,
    content_of,
    damage,
    receipt,
)
from rlpipe.pipeline.scratch import exclusive, fresh, install, workplace

HOME = Path(__file__).resolve().parents[2]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


@dataclass(frozen=True)
class Context:
    """What a stage gets to see: what its rule declares, and nothing else."""

    params: Mapping[str, Any]  # the sections named by `uses`, nested as in params.yaml
    wildcards: Mapping[str, str]  # {"run": "grpo", "seed": "0"}
    inputs: Mapping[str, Path]  # directories by artifact name: {"curate": ..., "train/grpo/seed-0": ...}
    out: Path  # a fresh directory; complete when `main` returns
    scratch: Path  # survives a kill; the same action finds the same directory again
    notes: dict[str, Any] = field(default_factory=dict)  # kept in the receipt: resolved hyperparameters, and the like


def make(artifact: Path, devices: int = 0, force: bool = False) -> str:
    """Make an artifact unless it stands. Returns: what was done, in one sentence.

    Raises: ProvenanceError as the plan, the code or an input is not what it should be; whatever the stage raises.
    """
    spec = provenance.read_spec(artifact)
    if spec is None:
        raise ProvenanceError(
            "the plan has no such artifact: declare its run under `runs` in params.yaml, and its seed under the run's "
            "`seeds`; then start snakemake"
        )
    with exclusive(artifact) as waited:
        code = Code(HOME, memory=provenance.WORK / "code.json")
        _check_code(spec, code)
        old, forced = receipt(artifact), (spec.forced or force) and not waited
        may_stand = None if forced else old
        if may_stand and may_stand["key"] == spec.key and damage(artifact, may_stand) is None:
            return "the artifact stands"
        stored = {name: _input_receipt(spec, name, key) for name, key in spec.inputs.items()}
        action = spec.action({name: content_of(r) for name, r in stored.items()})
        if may_stand and may_stand["action"] == action and damage(artifact, may_stand) is None:
            provenance.write_receipt(artifact, {**may_stand, "key": spec.key, "spec": spec.content})
            return "the artifact stands: its inputs came out the same; receipt renewed"
        if not _adopt(spec, action):
            _check_inputs(spec, stored)
            _note_versions(spec)
            _run(spec, action, code, devices, old)
    if spec.forced:
        replace(spec, forced=False).write()
    return "complete"


def _check_code(spec: Spec, code: Code) -> None:
    for module, planned in spec.code.items():
        if code.path(module) is None or code.hash(module) != planned:
            raise ProvenanceError(f"{module} changed since this run was planned: start snakemake again")


def _input_receipt(spec: Spec, name: str, key: str) -> dict[str, Any]:
    """The receipt of an input, which must be the planned one."""
    path = Path(spec.root, name)
    stored, pointer = receipt(path), beside(path, ".dvc")
    if stored is not None and stored.get("key") == key:
        return stored
    if provenance.pointer_key(path) != key:
        raise ProvenanceError(f"input {path} changed since this run was planned: start snakemake again")
    if stored is None:
        raise ProvenanceError(f"input {path} is recorded but not here: `dvc pull {pointer}`, then start again")
    raise ProvenanceError(
        f"input {path} is here in another version than recorded: `dvc pull {pointer}` brings that one; then start again"
    )


def _check_inputs(spec: Spec, stored: Mapping[str, Mapping[str, Any]]) -> None:
    """Every byte the stage may read is the byte that was written."""
    for name, input_receipt in stored.items():
        path = Path(spec.root, name)
        if wrong := damage(path, input_receipt):
            raise ProvenanceError(
                f"input {path} is damaged: {wrong}; `dvc checkout --force {beside(path, '.dvc')}` restores a recorded "
                f"artifact, `snakemake --forcerun {beside(path, '.done')}` makes it again"
            )
    for source, planned in spec.sources.items():
        file = Path(source)
        if not file.exists():
            raise ProvenanceError(f"{file} is not here: `dvc pull {beside(file, '.dvc')}`, then start again")
        if (provenance.listing_md5(file) if file.is_dir() else provenance.md5(file)) != planned:
            raise ProvenanceError(f"{file} changed since this run was planned: start snakemake again")


def _note_versions(spec: Spec) -> None:
    """Versions are in no key, or a clone elsewhere would never be up to date; a difference is worth a line in the log."""
    from rlpipe.pipeline.machine import drift

    for name in spec.inputs:
        if changed := drift(provenance.read_json(Path(spec.root, name, "environment.json")) or {}):
            print(f"note: {spec.root}/{name} was made with other versions: {', '.join(changed)}")


def _adopt(spec: Spec, action: str) -> bool:
    """Install what an earlier process completed but was killed before it could install."""
    _, out = workplace(spec.path, action)
    stored = receipt(out)
    if stored is None or stored.get("action") != action or damage(out, stored) is not None:
        return False
    provenance.write_receipt(out, {**stored, "key": spec.key, "spec": spec.content})
    install(out, spec.path)
    return True


def _run(spec: Spec, action: str, code: Code, devices: int, old: Mapping[str, Any] | None) -> None:
    """The stage itself, in the environment it is promised."""
    scratch, out = workplace(spec.path, action)
    scratch.mkdir(parents=True, exist_ok=True)
    ctx = Context(
        spec.params,
        spec.wildcards,
        {name: Path(spec.root, name) for name in spec.inputs},
        fresh(out),
        scratch,
    )
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(spec.threads)), TOKENIZERS_PARALLELISM="false")
    pin_kernels(spec.params.get("portable", True))
    if devices:
        from rlpipe.pipeline.devices import lease

        lease(devices)
    resumed, started = any(scratch.iterdir()), time.perf_counter()
    try:
        ImportGuard(code, {*spec.code, *PLUMBING}, spec.stage).install()
        import_module(f"rlpipe.stages.{spec.stage}").main(ctx)
    except Exception as error:
        _explain(error, spec, scratch.parent)
        raise SystemExit(1) from None
    seconds = time.perf_counter() - started
    _write_environment(spec, out, seconds, resumed)
    files = provenance.measure(out)
    if not files:
        raise ProvenanceError(f"rlpipe.stages.{spec.stage} left nothing in ctx.out; a stage must write there")
    notes = {"notes": ctx.notes} if ctx.notes else {}
    stored = {"key": spec.key, "action": action, "spec": spec.content, "files": files, **notes}
    stored |= {"earlier": _earlier(old, action)}
    provenance.write_receipt(out, stored)
    install(out, spec.path)


def _earlier(old: Mapping[str, Any] | None, action: str) -> list[str]:
    """Actions of all versions that stood in this place before, each once: how often it was made differently, and seen."""
    before = [*old.get("earlier", []), old["action"]] if old else []
    return [a for a in dict.fromkeys(before) if a != action]


def _write_environment(spec: Spec, out: Path, seconds: float, resumed: bool) -> None:
    from rlpipe.pipeline.machine import commit, machine, peak_memory, versions

    facts = {
        "command": f"python -m rlpipe.pipeline.stage {beside(spec.path, '.done')}",
        "commit": commit(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "peak_memory_bytes": peak_memory(),
        "resumed": resumed,  # then `wall_seconds` counts the last process only
        "threads": spec.threads,
        "versions": versions(),
        "wall_seconds": round(seconds, 3),
    }
    provenance.write_text(out / "environment.json", json.dumps(facts, indent=1, sort_keys=True) + "\n")


def _explain(error: Exception, spec: Spec, place: Path) -> None:
    """Say what went wrong last, where it is seen. An error the package raised on purpose needs no traceback here."""
    text = "".join(traceback.format_exception(error))
    frames = traceback.extract_tb(error.__traceback__)
    ours = bool(frames) and Path(frames[-1].filename).is_relative_to(HOME / "rlpipe")
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full:
        message = f"{error}: the disk is full; make room (`rlpipe prune` lists artifacts no longer wanted)"
    elif ours and isinstance(error, ValueError | OSError | ImportError):
        message = str(error)
    else:
        message = f"{type(error).__name__}: {error}"
        print(text, file=sys.stderr)
    if (full or ours) and place.is_dir():
        _keep(text, place / "traceback.txt")
    print(f"{spec.path}: {message}", file=sys.stderr)
    print(f"What was there before is untouched; work so far is in {place} and is resumed from.", file=sys.stderr)


def _keep(text: str, file: Path) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError:  # on a full disk the message on the log has to do
        return


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 if the artifact is there, 1 if not, 130 if interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m rlpipe.pipeline.stage", description="Make one artifact of the plan."
    )
    parser.add_argument("artifact", help="its flag, as Snakemake names it: results/train/grpo/seed-0.done")
    parser.add_argument("--devices", type=int, default=0, help="accelerators to lease, where there are any")
    parser.add_argument("--force", action="store_true", help="make it again though it stands")
    given = parser.parse_args(arguments)
    artifact = artifact_of(given.artifact)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log is read while it grows
    try:
        print(f"{artifact}: {make(artifact, given.devices, given.force)}")
    except ProvenanceError as error:
        print(f"{artifact}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{artifact}: interrupted; the same command resumes it from its last checkpoint", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    # Stages import this module by its name: run that copy, so that there is one.
    from rlpipe.pipeline.stage import main as run

    sys.exit(run())
