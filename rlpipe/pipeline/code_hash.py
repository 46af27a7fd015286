"""What code an artifact is made of: the modules a stage can import, and a hash of the meaning of each.

A hash is taken from the syntax tree without docstrings, positions and empty fields, so comments and layout do not
count, and every Python version from 3.11 on finds the same one (`ast.dump` and `ast.unparse` differ between versions).
That of a package covers the other files in its folder too, such as a style sheet, as they are but for their line ends.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

VERSION = 2  # raised when the hash or the import scan below changes: it empties the memory of earlier results
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
IGNORED = frozenset({"kind", "type_comment", "type_ignores"})  # fields that differ without a difference in meaning

# (level, module, name): `from ..ops import masked` is (2, "ops", "masked"), `import json` is (0, "json", "")
Import = tuple[int, str, str]


def tree_hash(tree: ast.Module) -> str:
    """Hash of a module's meaning, 32 hexadecimal digits."""
    words: list[str] = []
    _write(tree, words)
    return _digest("\0".join(words).encode("utf-8", "surrogatepass"))


def _write(node: Any, words: list[str]) -> None:
    if isinstance(node, ast.AST):
        words.append("(" + type(node).__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None and not isinstance(node, ast.Constant):
                continue
            if value == [] or name in IGNORED:
                continue
            words.append(name)
            _write(_without_docstring(node, value) if name == "body" else value, words)
        words.append(")")
    elif isinstance(node, list):
        words.append("[")
        for item in node:
            _write(item, words)
        words.append("]")
    else:
        words.append(f"{type(node).__name__} {node!r}")


def _without_docstring(node: ast.AST, body: Any) -> Any:
    if isinstance(node, DOCUMENTED) and body and isinstance(body[0], ast.Expr):
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return body[1:]
    return body


def imports(tree: ast.AST) -> list[Import]:
    """Every import of a module, those inside functions too; not those for type checkers alone."""
    found: set[Import] = set()
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            stack.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found.update((0, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update((node.level, node.module or "", alias.name) for alias in node.names)
        stack.extend(ast.iter_child_nodes(node))
    return sorted(found)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _files_beside(path: Path) -> bytes:
    """Names and hashes of the files in a package's folder that are no modules and not hidden; none beside a module."""
    if path.name != "__init__.py":
        return b""
    words = []
    for file in sorted(path.parent.iterdir()):
        if file.is_file() and file.suffix != ".py" and not file.name.startswith("."):
            words += [file.name, _digest(file.read_bytes().replace(b"\r\n", b"\n"))]
    return "\0".join(words).encode()


class Code:
    """The modules of one package below `root`, read from its files and never from what is installed.

    `memory` is a file that keeps what was found for a file's content, so that only edited files are parsed again.
    """

    def __init__(self, root: Path, package: str = "rlpipe", memory: Path | None = None):
        self.root, self.package, self.memory = Path(root), package, memory
        self.known: dict[str, tuple[str, list[Import]]] = self._remembered()
        self.stored = frozenset(self.known)
        self.paths: dict[str, Path | None] = {}
        self.read: dict[str, tuple[str, list[Import]]] = {}
        self.used: set[str] = set()

    def path(self, module: str) -> Path | None:
        """The file of a module of the package; None where there is none."""
        if module not in self.paths:
            base = self.root.joinpath(*module.split("."))
            candidates = (base.with_name(base.name + ".py"), base / "__init__.py")
            self.paths[module] = next((path for path in candidates if path.is_file()), None)
        return self.paths[module]

    def hash(self, module: str) -> str:
        """Raises: ValueError for a module without a file, or with a syntax error."""
        return self._scan(module)[0]

    def closure(self, modules: Iterable[str], leave_out: Iterable[str] = ()) -> dict[str, str]:
        """Hash by name of `modules` and of everything in the package they import, transitively, packages included.

        `leave_out` names modules that are neither hashed nor followed.
        Raises: ValueError for one of `modules` that has no file, or for a syntax error.
        """
        left_out, found = set(leave_out), dict[str, str]()
        stack = sorted(set(modules))
        while stack:
            module = stack.pop()
            if module in found or module in left_out:
                continue
            found[module], imported = self._scan(module)
            stack.extend(self._targets(module, imported))
            if "." in module:
                stack.append(module.rpartition(".")[0])
        return dict(sorted(found.items()))

    def _targets(self, module: str, imported: list[Import]) -> Iterator[str]:
        """Modules of the package behind the imports of `module`."""
        path = self.path(module)
        package = module if path is not None and path.name == "__init__.py" else module.rpartition(".")[0]
        for level, name, member in imported:
            if level:
                above = package.split(".")[: len(package.split(".")) - level + 1]
                name = ".".join([*above, *([name] if name else [])])
            if name.partition(".")[0] != self.package:
                continue
            for target in (name, f"{name}.{member}") if member else (name,):
                if self.path(target) is not None:
                    yield target

    def _scan(self, module: str) -> tuple[str, list[Import]]:
        if module in self.read:
            return self.read[module]
        path = self.path(module)
        if path is None:
            raise ValueError(f"module {module}: no such file under {self.root / self.package}")
        source, beside = path.read_bytes(), _files_beside(path)
        content = _digest(source + beside)
        if content not in self.known:
            try:
                tree = ast.parse(source, str(path))
            except SyntaxError as error:
                raise ValueError(f"{path}:{error.lineno}: {error.msg}") from error
            meaning = tree_hash(tree)
            self.known[content] = (_digest(meaning.encode() + beside) if beside else meaning, imports(tree))
        self.used.add(content)
        self.read[module] = self.known[content]
        return self.read[module]

    def _remembered(self) -> dict[str, tuple[str, list[Import]]]:
        try:
            stored = json.loads(self.memory.read_bytes()) if self.memory else {}
        except (OSError, ValueError):
            return {}  # no more than a memory: what is missing is read again
        if stored.get("version") != VERSION:
            return {}
        return {key: (value[0], [(i[0], i[1], i[2]) for i in value[1]]) for key, value in stored["files"].items()}

    def remember(self) -> None:
        """Write the memory, if anything was added to it."""
        if self.memory is None or self.stored >= self.used:
            return
        self.memory.parent.mkdir(parents=True, exist_ok=True)
        part = self.memory.with_name(f"{self.memory.name}.{os.getpid()}")
        files = {key: self.known[key] for key in sorted(self.used)}
        part.write_text(json.dumps({"version": VERSION, "files": files}), encoding="utf-8")
        os.replace(part, self.memory)
