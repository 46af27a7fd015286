"""A copy of the project whose stages take milliseconds: real Snakefile, workflow, profiles, DVC files and package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

HOME = Path(__file__).resolve().parents[2]
TOY = Path(__file__).parent
BIN = Path(sys.executable).parent
COPIED = ("Snakefile", "workflow", "profiles", "rlpipe", "dvc.yaml", ".dvcignore", ".gitattributes", ".gitignore")
RUNS = {"grpo": {"seeds": [0, 1], "methods": ["grpo"]}, "rloo": {"seeds": [0, 1], "methods": ["rloo"]}}
# The installed package must not help: a project runs its own code.
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k != "PYTHONPATH" and not k.startswith(("SNAKEMAKE", "DVC", "GIT"))},
    "PATH": f"{BIN}:{os.environ['PATH']}",
    **{f"GIT_{who}_{what}": "toy@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


class Server:
    """The process that runs Snakemake and DVC in forks of itself; started when first asked."""

    process: subprocess.Popen[str] | None = None

    def call(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(TOY / "server.py")],
                cwd="/",
                env=ENVIRONMENT,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"command": list(command), "cwd": str(cwd), "env": dict(env)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return subprocess.CompletedProcess(command, answer["code"], answer["said"], "")

    def close(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait()
            self.process = None


SERVER = Server()


class Project:
    """A working copy, and what a user does in it."""

    def __init__(self, path: Path):
        self.path = path

    def call(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {**ENVIRONMENT, **environment}
        if command[0] in ("snakemake", "dvc"):
            done = SERVER.call(command, self.path, env)
        else:
            done = subprocess.run(command, cwd=self.path, env=env, text=True, capture_output=True, timeout=600)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Snakemake in a process group of its own, as a terminal would start it."""
        return subprocess.Popen(
            ["snakemake", "--cores", "2", *arguments],
            cwd=self.path,
            env={**ENVIRONMENT, **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def snakemake(self, *arguments: str, check: bool = True, **environment: str) -> str:
        """What it said."""
        done = self.call("snakemake", "--cores", "2", *arguments, check=check, **environment)
        return done.stdout + done.stderr

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs by rule that a run would start."""
        return jobs(self.snakemake("-n", *arguments))

    def git(self, *arguments: str, check: bool = True) -> str:
        return self.call("git", *arguments, check=check).stdout

    def dvc(self, *arguments: str, check: bool = True) -> str:
        done = self.call("dvc", *arguments, check=check)
        return done.stdout + done.stderr

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def journal(self) -> Counter[str]:
        """Stages that ran since the last call, by name."""
        file = self.path / ".rlpipe" / "journal"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return Counter(line.split()[0] for line in lines)

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.path / file).read_text()
        assert old in text, (file, old)
        (self.path / file).write_text(text.replace(old, new, 1))

    def params(self, **sections: Any) -> None:
        """Set keys of params.yaml: `evaluate={"samples": 8}` changes that key alone."""
        file = self.path / "params.yaml"
        known = yaml.safe_load(file.read_text())
        for section, keys in sections.items():
            known[section] = {**known.get(section, {}), **keys} if isinstance(keys, Mapping) else keys
        file.write_text(yaml.safe_dump(known, sort_keys=False))

    def copy(self, path: Path) -> Project:
        """The whole working copy, ignored files and all."""
        shutil.copytree(self.path, path, symlinks=True)
        return Project(path)


def jobs(said: str) -> dict[str, int]:
    """The first table of jobs in what Snakemake said; empty if there is nothing to do."""
    table = re.search(r"^job +count\n-.*\n((?:\w+ +\d+\n)+)", said, re.MULTILINE)
    if table is None:
        assert "Nothing to be done" in said, said
        return {}
    counts = dict(line.split() for line in table[1].splitlines())
    return {rule: int(n) for rule, n in counts.items() if rule not in ("all", "total")}


def create(path: Path) -> Project:
    """A new repository with one raw file; nothing has run in it."""
    path.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in COPIED:
        copy = shutil.copytree if (HOME / name).is_dir() else shutil.copy
        copy(HOME / name, path / name, **({"ignore": ignored} if (HOME / name).is_dir() else {}))
    (path / ".dvc").mkdir()
    shutil.copy(HOME / ".dvc" / "config", path / ".dvc")
    shutil.copy(HOME / ".dvc" / ".gitignore", path / ".dvc")
    shutil.rmtree(path / "rlpipe" / "stages")
    shutil.copytree(TOY / "stages", path / "rlpipe" / "stages", ignore=ignored)
    (path / "rlpipe" / "stages" / "__init__.py").touch()
    shutil.copytree(TOY / "methods", path / "rlpipe" / "methods", dirs_exist_ok=True, ignore=ignored)
    shutil.copy(TOY / "models.py", path / "rlpipe")
    (path / "data").mkdir()
    (path / "data" / "prompts.jsonl").write_text("one\n# a remark\ntwo\n")
    known = yaml.safe_load((HOME / "params.yaml").read_text())
    sources = [{"path": "data/prompts.jsonl"}, {"task": "countdown", "levels": {"easy": 10}}]
    known |= {"curate": {"sources": sources}, "runs": RUNS, "report": {"title": "Toy"}}
    known.pop("search")  # asked for by its section alone; a test adds it
    (path / "params.yaml").write_text(yaml.safe_dump(known, sort_keys=False))
    project = Project(path)
    project.git("init", "-q", "-b", "main")
    return project


def clone(origin: Project, path: Path, *pull: str) -> Project:
    """`git clone`, and `dvc pull` of what is named; `.` is everything."""
    subprocess.run(["git", "clone", "-q", str(origin.path), str(path)], check=True)
    project = Project(path)
    if pull:
        project.dvc("pull", *(target for target in pull if target != "."))
    return project
