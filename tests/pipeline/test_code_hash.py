"""What counts in the hash of a module, what its closure holds, and the memory of both."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rlpipe.pipeline.code_hash import Code, tree_hash
from tests.pipeline.small import package

pytestmark = pytest.mark.usefixtures("own_folder")


def parsed(source: str) -> str:
    import ast

    return tree_hash(ast.parse(source))


SOURCE = 'def area(r, *, pi=3.14):\n    """Of a circle."""\n    return pi * r**2\n'


@pytest.mark.parametrize(
    "same",
    [
        "# why\n" + SOURCE,
        SOURCE.replace('"""Of a circle."""', "'''In square metres.'''"),
        SOURCE.replace("    return pi * r**2", "    return (\n        pi * r ** 2\n    )"),
        '"""A module."""\n' + SOURCE,
        SOURCE.replace('    """Of a circle."""\n', ""),
    ],
)
def test_comments_layout_and_docstrings_do_not_count(same: str) -> None:
    assert parsed(same) == parsed(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"), [("3.14", "3.1415"), ("r**2", "r**2.0"), ("*, pi", "pi"), ("return", "yield"), ("area", "are")]
)
def test_meaning_counts(old: str, new: str) -> None:
    assert parsed(SOURCE.replace(old, new)) != parsed(SOURCE)


def test_none_true_and_text_are_told_apart() -> None:
    assert len({parsed(f"x = {value}") for value in ("None", "True", "1", "1.0", "'1'", "b'1'", "[]")}) == 7


def test_the_hash_is_the_same_on_every_machine_and_version() -> None:
    source = "class A(B):\n    x: int = 1\n\n    def f(self, *a, b=None):\n"
    source += "        return f'{self.x!r:>{b}}' if a else [i for i in a if i]\n"
    assert parsed(source) == "ff1294472aa2bb76e690ba5b49ed1f81"


CLOSURE = {
    "a.py": "from rlpipe.deep import b\nimport json\n",
    "deep/b.py": "def f():\n    from . import c\n    from .. import d as other\n",
    "deep/c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rlpipe.unused\n",
    "d.py": "import rlpipe.e as e\n",
    "e.py": "from rlpipe.pipeline.stage import Context\nfrom rlpipe.deep.c import NAME\n",
    "pipeline/stage.py": "import rlpipe.unused\n",
    "unused.py": "",
}


def test_a_closure_has_everything_that_can_be_imported_and_its_packages() -> None:
    found = Code(package(CLOSURE)).closure(["rlpipe.a"], leave_out=["rlpipe.pipeline.stage"])
    assert list(found) == ["rlpipe", *(f"rlpipe.{m}" for m in ("a", "d", "deep", "deep.b", "deep.c", "e"))]


def test_a_module_without_a_file_and_a_syntax_error_are_named() -> None:
    code = Code(package({"a.py": "def\n"}))
    with pytest.raises(ValueError, match=r"rlpipe\.methods\.none: no such file"):
        code.closure(["rlpipe.methods.none"])
    with pytest.raises(ValueError, match=r"a\.py:1: invalid syntax"):
        code.closure(["rlpipe.a"])


def test_the_memory_of_hashes_never_decides() -> None:
    root, memory = package(CLOSURE), Path("memory.json")
    first = Code(root, memory=memory)
    before = first.closure(["rlpipe.a"])
    first.remember()
    assert Code(root, memory=memory).closure(["rlpipe.a"]) == before
    stamp = os.stat("rlpipe/d.py")
    Path("rlpipe/d.py").write_text("import rlpipe.e as f\n")  # same size; and now the same time
    os.utime("rlpipe/d.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    after = Code(root, memory=memory).closure(["rlpipe.a"])
    assert {m for m in after if after[m] != before[m]} == {"rlpipe.d"}
    memory.write_text("{damaged")
    assert Code(root, memory=memory).closure(["rlpipe.a"]) == after


def test_the_hash_of_a_package_covers_the_files_in_its_folder() -> None:
    root, memory = package(CLOSURE), Path("memory.json")
    plain, sheet = Code(root).closure(["rlpipe.a"]), Path("rlpipe/deep/page.css")
    found = [plain]
    for text in ("a{}\n", "a{}\r\n", "b{}\n"):
        sheet.write_bytes(text.encode())
        code = Code(root, memory=memory)
        found.append(code.closure(["rlpipe.a"]))
        code.remember()
    assert [{m for m in plain if f[m] != found[0][m]} for f in found] == [set(), *[{"rlpipe.deep"}] * 3]
    assert found[1] == found[2] != found[3]
    sheet.unlink()
    Path("rlpipe/deep/.page.css.swp").touch()
    assert Code(root, memory=memory).closure(["rlpipe.a"]) == plain
