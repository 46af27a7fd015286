"""Hand finished artifacts over to DVC: data into its cache, keys into the pointers. After Snakemake, never in a job.

By hand: `python -m rlpipe.record` records whatever the last plan made and DVC does not know yet.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from rlpipe.provenance import WORK, Spec, artifact_of, beside, pointer_key, read_spec, receipt, state, write_text

AT_ONCE = 200  # paths per call of DVC


def record(specs: Iterable[Spec], workflow: bool = True) -> list[Path]:
    """Add every artifact that is here with its planned key and whose pointer does not name that key.

    `workflow` says that the plan is that of params.yaml; once all of it exists, DVC's one stage is marked as done too.
    Returns: the artifacts added. A failure of DVC is reported and leaves the artifacts as they are.
    """
    specs = list(specs)
    new = [spec for spec in specs if _is_new(spec)]
    if not new:
        return []
    if missing := _unusable():
        print(f"Artifacts are not recorded: {missing}", file=sys.stderr)
        return []
    try:
        for start in range(0, len(new), AT_ONCE):
            _dvc("add", "--quiet", *(str(spec.path) for spec in new[start : start + AT_ONCE]))
        for spec in new:
            write_key(beside(spec.path, ".dvc"), spec.key)
        # Inside `dvc repro` and `dvc exp run` DVC writes its lock itself. An unfinished workflow is not marked as done.
        if workflow and "DVC_STAGE" not in os.environ and all(state(s.path, s.key) != "absent" for s in specs):
            _dvc("commit", "--quiet", "--force", "workflow")
    except subprocess.CalledProcessError as error:
        print(f"DVC could not record: {error.stderr.strip()}", file=sys.stderr)
        print("The artifacts are complete; `python -m rlpipe.record` tries again.", file=sys.stderr)
        return []
    print(
        f"Recorded {len(new)} artifacts; share them: git add results dvc.lock && git commit && dvc push",
        file=sys.stderr,
    )
    return [spec.path for spec in new]


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


def _dvc(command: str, *arguments: str) -> None:
    # Another DVC may be at work, such as a pull: wait for its lock.
    call = [sys.executable, "-m", "dvc", "--wait-for-lock", command, *arguments]
    subprocess.run(call, check=True, capture_output=True, text=True)


def write_key(pointer: Path, key: str) -> None:
    """Put the key into a pointer's `meta`, which DVC keeps as it is."""
    text = re.sub(r"^meta:\n(?:[ ].*\n)*", "", pointer.read_text(encoding="utf-8"), flags=re.MULTILINE)
    write_text(pointer, f"{text.rstrip()}\nmeta:\n  key: {key}\n")


def main() -> int:
    """Record what the specs of the last plans name."""
    base = WORK / "specs"
    found = (read_spec(artifact_of(file.relative_to(base).with_suffix(""))) for file in sorted(base.rglob("*.json")))
    specs = [spec for spec in found if spec is not None]
    plans = {spec.configfiles for spec in specs}
    for plan in sorted(plans):
        record([spec for spec in specs if spec.configfiles == plan], workflow=not plan)
    return 0


if __name__ == "__main__":
    sys.exit(main())
