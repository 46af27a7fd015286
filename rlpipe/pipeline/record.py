"""Hand finished artifacts over to DVC: data into its cache, keys into the pointers. After Snakemake, never in a job.

By hand: `python -m rlpipe.pipeline.record` records whatever the last plan made and DVC does not know yet.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from rlpipe.pipeline.provenance import (
    WORK,
    Spec,
    artifact_of,
    beside,
    pointer_key,
    read_spec,
    receipt,
    state,
    write_text,
)

HOME = Path(__file__).resolve().parents[2]
AT_ONCE = 200  # paths per call of DVC
SHARE = "git add results dvc.lock && git commit && dvc push"


def record(specs: Iterable[Spec], workflow: bool) -> None:
    """Record what a run made; nothing is started when there is nothing new.

    `workflow` says that the run was made from params.yaml as it is.
    """
    if any(map(_is_new, specs)):
        # A process of its own: Snakemake's would lend DVC its logging.
        call = [sys.executable, "-m", "rlpipe.pipeline.record", *(["--workflow"] if workflow else [])]
        subprocess.run(call, check=False, env={**os.environ, "PYTHONPATH": str(HOME)})


def main(arguments: list[str]) -> int:
    """Add every artifact of the last plans that is here with its planned key and whose pointer does not name that key.

    With `--workflow`, and once all that params.yaml asks for exists, DVC's one stage is marked as done too. A failure of
    DVC is reported and leaves the artifacts as they are. Returns: exit code.
    """
    base = WORK / "specs"
    found = (read_spec(artifact_of(file.relative_to(base).with_suffix(""))) for file in sorted(base.rglob("*.json")))
    specs = [spec for spec in found if spec is not None]
    new = [spec for spec in specs if _is_new(spec)]
    if missing := _unusable():
        print(f"Artifacts are not recorded: {missing}", file=sys.stderr)
        return 1
    try:
        for start in range(0, len(new), AT_ONCE):
            _dvc("add", *(str(spec.path) for spec in new[start : start + AT_ONCE]))
        for spec in new:
            write_key(beside(spec.path, ".dvc"), spec.key)
        wanted = [spec for spec in specs if not spec.configfiles]
        done = "--workflow" in arguments and all(state(spec.path, spec.key) != "absent" for spec in wanted)
        # Inside `dvc repro` and `dvc exp run` DVC writes its lock itself. An unfinished workflow is not marked as done.
        if done and "DVC_STAGE" not in os.environ:
            _dvc("commit", "--force", "workflow")
    except DvcError:
        again = " ".join(["python -m rlpipe.pipeline.record", *arguments])
        print(f"The artifacts are complete, but DVC could not record them; `{again}` tries again.", file=sys.stderr)
        return 1
    if new:
        print(f"Recorded {len(new)} artifacts; to share them: {SHARE}", file=sys.stderr)
    return 0


def _is_new(spec: Spec) -> bool:
    stored = receipt(spec.path)
    return stored is not None and stored.get("key") == spec.key and pointer_key(spec.path) != spec.key


def _unusable() -> str | None:
    """Why DVC cannot be used here; None if it can."""
    if not Path(".dvc").is_dir():
        return "no .dvc folder here; `dvc init` in a Git repository makes one"
    inside = subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, check=False)
    if inside.returncode:
        return "this is no Git repository; `git init` makes one"
    return None


class DvcError(RuntimeError):
    """DVC said why on its own."""


def _dvc(command: str, *arguments: str) -> None:
    from dvc.cli import main as dvc

    # Another DVC may be at work, such as a pull: wait for its lock.
    if dvc(["--wait-for-lock", command, "--quiet", *arguments]):
        raise DvcError(command)


def write_key(pointer: Path, key: str) -> None:
    """Put the key into a pointer's `meta`, which DVC keeps as it is."""
    text = re.sub(r"^meta:\n(?:[ ].*\n)*", "", pointer.read_text(encoding="utf-8"), flags=re.MULTILINE)
    write_text(pointer, f"{text.rstrip()}\nmeta:\n  key: {key}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
