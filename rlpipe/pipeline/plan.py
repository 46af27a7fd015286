"""The plan: the spec of every wanted artifact, read off the rules while the Snakefile is read, and its flags.

A flag is present where an artifact of the planned key exists, and all present flags have time stamp 0: time never
decides. Nothing but flags and scratch is written, so a dry run is as safe as a real one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rlpipe.pipeline.code_hash import Code
from rlpipe.pipeline.provenance import (
    PLUMBING,
    WORK,
    ProvenanceError,
    Spec,
    artifact_of,
    beside,
    listing_md5,
    md5,
    pointer_md5,
    read_json,
    spec_file,
    state,
    write_text,
)

LOCKS = Path(".snakemake/locks")
Rule = Any  # Snakemake's `rules.<name>`: input, output and params, with functions of wildcards left as they are


class Plan:
    """Specs of the artifacts behind `targets` (flags), producers first.

    `rules` are those that make artifacts, by name; `config` is params.yaml; `root` the results folder.
    Raises: ProvenanceError for a source file that is missing; ValueError for a module that cannot be parsed.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule],
        config: Mapping[str, Any],
        targets: Iterable[str],
        root: str,
        code: Code,
        configfiles: Sequence[str] = (),
    ):
        self.rules, self.config, self.root, self.code = rules, config, root, code
        self.configfiles = tuple(map(str, configfiles))
        self.rule_of: dict[str, str] = {}
        self.specs: dict[str, Spec] = {}
        self.sources = Sources(WORK / "sources.json")
        self.closures: dict[tuple[str, ...], dict[str, str]] = {}
        for target in targets:
            self._add(target)
        code.remember()
        self.sources.remember()

    def _add(self, flag: str) -> Spec:
        """The spec of the artifact of a flag, after those of its inputs."""
        name = Path(artifact_of(flag)).relative_to(self.root).as_posix()
        if name not in self.specs:
            rule, wildcards = self._producer(flag)
            inputs, sources = self._inputs(self.rules[rule], wildcards)
            params = self.rules[rule].params
            modules = [f"rlpipe.stages.{name.partition('/')[0]}", *_resolved(params.code, wildcards)]
            spec = Spec(
                name=name,
                root=self.root,
                wildcards=wildcards,
                params=used(self.config, _resolved(params.uses, wildcards, split=True)),
                code=self._closure(modules),
                inputs=inputs,
                sources=sources,
                threads=_threads(getattr(params, "threads", 1), wildcards),
                configfiles=self.configfiles,
            )
            self.rule_of[name], self.specs[name] = rule, spec
        return self.specs[name]

    def _producer(self, flag: str) -> tuple[str, dict[str, str]]:
        for name, pattern in self._patterns:
            if found := pattern.fullmatch(flag):
                return name, found.groupdict()
        raise ProvenanceError(f"no rule makes {flag}")

    @cached_property
    def _patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        """What each rule makes, as an expression; those without wildcards first, as Snakemake prefers them."""
        outputs = sorted((str(o).count("{"), name, str(o)) for name, rule in self.rules.items() for o in rule.output)
        wildcard = r"(?P<\1>[^/]+)"
        return [(name, re.compile(re.sub(r"\\{(\w+)\\}", wildcard, re.escape(o)))) for _, name, o in outputs]

    def _inputs(self, rule: Rule, wildcards: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Keys of artifacts by name, MD5 of source files by path."""
        artifacts, sources = {}, {}
        for path in _resolved(rule.input, wildcards):
            if path.endswith(".done"):
                spec = self._add(path)
                artifacts[spec.name] = spec.key
            else:
                sources[path] = self.sources.md5(Path(path))
        return dict(sorted(artifacts.items())), dict(sorted(sources.items()))

    def _closure(self, modules: Iterable[str]) -> dict[str, str]:
        asked = tuple(sorted(set(modules)))
        if asked not in self.closures:
            self.closures[asked] = self.code.closure(asked, leave_out=PLUMBING)
        return self.closures[asked]

    def sync(self) -> list[Path]:
        """Bring flags and specs in line with the plan, unless a run holds Snakemake's lock on them.

        Returns: artifacts that exist according to their pointers, but whose data is not here.
        """
        states = {spec.path: state(spec.path, spec.key) for spec in self.specs.values()}
        if not self.locked():
            self._sweep()
            for spec in self.specs.values():
                spec.write()
                set_flag(beside(spec.path, ".done"), states[spec.path] != "absent")
        return [path for path, found in states.items() if found == "elsewhere"]

    def locked(self) -> bool:
        """Whether a running (or killed) Snakemake holds flags of this plan."""
        flags = {str(beside(spec.path, ".done")) for spec in self.specs.values()}
        for lock in LOCKS.glob("*.lock"):
            with suppress(FileNotFoundError):  # the run ended just now
                if flags.intersection(lock.read_text(encoding="utf-8").splitlines()):
                    return True
        return False

    def _sweep(self) -> None:
        """Specs of artifacts that are no longer wanted; other results folders may lie below this one."""
        wanted = {spec_file(spec.path) for spec in self.specs.values()}
        outputs = (Path(str(output)) for rule in self.rules.values() for output in rule.output)
        for stage in {artifact_of(output).relative_to(self.root).parts[0] for output in outputs}:
            base = spec_file(Path(self.root, stage))
            for file in (base, *base.with_suffix("").rglob("*.json")):
                if file not in wanted:
                    file.unlink(missing_ok=True)

    def force(self, settings: Any) -> None:
        """Note what Snakemake was told to make again (`--forcerun`, `--force`, `--forceall`), as jobs cannot see it."""
        targets = set(settings.targets) if settings.forcetargets else set()
        asked = set(settings.forcerun) | targets
        for name, spec in self.specs.items():
            names = {self.rule_of[name], str(beside(spec.path, ".done"))}
            if settings.forceall or names & asked:
                replace(spec, forced=True).write()


class Sources:
    """MD5 of source files and folders, remembered by size and time of change so that large ones are not read at every call."""

    def __init__(self, memory: Path):
        self.memory = memory
        self.known = read_json(memory) or {}
        self.seen: dict[str, list[Any]] = {}

    def md5(self, file: Path) -> str:
        """Of a folder that of the listing of its files, as DVC has it.

        Raises: ProvenanceError for a file that is neither here nor recorded by DVC.
        """
        if file.is_dir():
            return listing_md5(file, self.md5)
        if not file.is_file():
            if recorded := pointer_md5(file):
                return recorded
            raise ProvenanceError(f"{file}: no such file, nor a pointer {file}.dvc; mend its `path` in params.yaml")
        stat = file.stat()
        mark = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        known = self.known.get(str(file), [None])
        self.seen[str(file)] = known if known[:-1] == mark else [*mark, md5(file)]
        return str(self.seen[str(file)][-1])

    def remember(self) -> None:
        if not self.known.items() >= self.seen.items():
            write_text(self.memory, json.dumps({**self.known, **self.seen}, sort_keys=True))


def set_flag(flag: Path, present: bool) -> None:
    """An empty file of time stamp 0, or none."""
    if not present:
        flag.unlink(missing_ok=True)
        return
    if not flag.exists():
        flag.parent.mkdir(parents=True, exist_ok=True)
        flag.touch()
    if flag.stat().st_mtime_ns:
        os.utime(flag, (0, 0))


def _resolved(items: Any, wildcards: Mapping[str, str], split: bool = False) -> list[Any]:
    """What a rule lists, with wildcards filled in; functions of the wildcards are called.

    `split` gives each item as its parts between dots, so that a wildcard's value may hold one.
    """
    found: Iterator[Any] = (x for item in ([items] if callable(items) else items) for x in _each(item, wildcards))
    if split:
        return [[part.format(**wildcards) for part in str(x).split(".")] for x in found]
    return [str(x).format(**wildcards) for x in found]


def _threads(value: Any, wildcards: Mapping[str, str]) -> int:
    return int(value(SimpleNamespace(**wildcards)) if callable(value) else value)


def _each(item: Any, wildcards: Mapping[str, str]) -> Iterable[Any]:
    if not callable(item):
        return [item]
    value = item(SimpleNamespace(**wildcards))
    return [value] if isinstance(value, str) else value


def used(config: Mapping[str, Any], paths: Iterable[Sequence[str]]) -> dict[str, Any]:
    """The parts of `config` at `paths`, nested as there; what is absent is left out."""
    found: dict[str, Any] = {}
    for path in paths:
        value: Any = config
        for part in path:
            if not isinstance(value, Mapping) or part not in value:
                break
            value = value[part]
        else:
            place = found
            for part in path[:-1]:
                place = place.setdefault(part, {})
            place[path[-1]] = value
    return found
