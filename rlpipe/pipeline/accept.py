"""Receipts renewed after a refactoring that changed no result."""

from __future__ import annotations

from pathlib import Path

from rlpipe.pipeline.explain import differences
from rlpipe.pipeline.plan import set_flag
from rlpipe.pipeline.provenance import ProvenanceError, Spec, beside, content_of, damage, receipt, write_receipt
from rlpipe.pipeline.scratch import exclusive


def accept(spec: Spec, reason: str) -> list[str]:
    """Let an artifact stand though what it is made of changed, and say so in its receipt.

    The honest form of touching it: right after a refactoring known to change nothing, wrong after anything else.
    Returns: what changed. Raises: ProvenanceError if there is nothing to accept, or its inputs are not as planned.
    """
    with exclusive(spec.path):
        old = receipt(spec.path)
        if old is None:
            raise ProvenanceError(f"{spec.path} is not here: `dvc pull {beside(spec.path, '.dvc')}`, or make it")
        if old["key"] == spec.key:
            return []
        if wrong := damage(spec.path, old):
            raise ProvenanceError(f"{spec.path} is damaged: {wrong}; it cannot be accepted")
        contents = {}
        for name, key in spec.inputs.items():
            stored = receipt(Path(spec.root, name))
            if stored is None or stored["key"] != key:
                raise ProvenanceError(f"{spec.path}: accept or make its input {spec.root}/{name} first")
            contents[name] = content_of(stored)
        changed = differences(old["spec"], spec.content)
        note = {"key": old["key"], "changed": changed, "reason": reason}
        renewed = {"key": spec.key, "action": spec.action(contents), "spec": spec.content}
        write_receipt(spec.path, {**old, **renewed, "accepted": [*old.get("accepted", []), note]})
        set_flag(beside(spec.path, ".done"), present=True)
    return changed
