"""Refuses modules of the package that the key of the running stage does not cover.

A module loaded by name and not declared is then an error in the first second, not a stale result next month.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from rlpipe.pipeline.code_hash import Code


class ImportGuard:
    """First in `sys.meta_path`: lets pass what is in `allowed`, and whatever is not a file of the package."""

    def __init__(self, code: Code, allowed: Iterable[str], stage: str):
        self.code, self.allowed, self.stage = code, frozenset(allowed), stage

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Always None, which leaves the search to the next finder.

        Raises: ImportError for a module of the package that is not allowed.
        """
        if name.partition(".")[0] != self.code.package or name in self.allowed or self.code.path(name) is None:
            return None
        raise ImportError(
            f"{name} is not part of the key of this artifact: import it in rlpipe/stages/{self.stage}.py or in a "
            f"module it imports, or list it under `code` in the rule of the stage in workflow/rules"
        )

    def install(self) -> None:
        sys.meta_path.insert(0, self)
