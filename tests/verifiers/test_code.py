"""Programs as answers: right only if they run to their own end and print what is expected; nothing is left of them."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from rlpipe.types import Prompt
from rlpipe.verifiers import code
from rlpipe.verifiers.code import CodeSpec, CodeTest, program_text, read_spec, same_output, verify_program
from rlpipe.verifiers.sandbox import Limits, run_program
from tests.verifiers.processes import alive, timely

LIMITS = Limits(seconds=30.0)  # none of these programs waits for it, however busy the machine
SPEC = CodeSpec((CodeTest("3\n", "9\n"), CodeTest("-4\n", "16\n")), LIMITS)


def fenced(program: str) -> str:
    return f"Here it is:\n```python\n{program}\n```\nDone."


RIGHT = [
    "print(int(input()) ** 2)",
    "import math, sys\nn = int(sys.stdin.read())\nprint(math.prod([n, n]), end='')",
    "def main():\n    n = int(input())\n    print(n * n)\nif __name__ == '__main__':\n    main()",
    "import threading, time\ndef f():\n    time.sleep(0.1)\n    print(int(input()) ** 2)\nthreading.Thread(target=f).start()",
    "import os, time\nif os.fork() == 0:\n    os.setsid()\n    os.fork()\n    time.sleep(60)\nprint(int(input()) ** 2)",
    "open('scratch', 'w').write('x')\nprint(int(input()) ** 2)",
]


@pytest.mark.parametrize("program", RIGHT)
def test_right(program: str) -> None:
    verdict = verify_program(fenced(program), SPEC)
    assert (verdict.status, verdict.score, verdict.verifier) == ("ok", 1.0, "code")
    assert alive("sandbox_harness") == []


# Each prints the right output for both tests, or tries to be taken for right without it.
PRINTS = "n = int(input())\nprint(n * n, flush=True)\n"
WRONG = {
    "exit": PRINTS + "import sys\nsys.exit(0)",
    "system_exit": PRINTS + "raise SystemExit",
    "os_exit": PRINTS + "import os\nos._exit(0)",
    "exec": PRINTS + "import os\nos.execv('/bin/true', ['true'])",
    "exception": PRINTS + "1 / 0",
    "kill_itself": PRINTS + "import os\nos.kill(os.getpid(), 9)",
    "kill_the_parent": PRINTS + "import os\nos.kill(os.getppid(), 9)",
    "kill_the_group": PRINTS + "import os\nos.killpg(0, 9)",
    "segfault": PRINTS + "import ctypes\nctypes.string_at(0)",
    "nothing": "pass",
    "nonsense": "this is not Python",
    "spray_every_pipe": "import os\nfor fd in range(64):\n  try: os.write(fd, b'9')\n  except OSError: pass\nos._exit(0)",
    "close_everything": PRINTS + "import os\nos.closerange(0, 256)",
    "memory": "x = bytearray(1 << 33)\n" + PRINTS,
    "large_file": "f = open('f', 'wb')\nfor _ in range(20): f.write(bytes(1 << 20))\nf.flush()\n" + PRINTS,
    "flood": "while True: print('9' * 4096)",
    "brackets": "(" * 5000 + ")" * 5000,
    "binary": "\x00\xff" * 100,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("namespaces", [True, False])
def test_wrong(name: str, namespaces: bool) -> None:
    spec = CodeSpec(SPEC.tests, replace(LIMITS, namespaces=namespaces))
    verdict = verify_program(fenced(WRONG[name]), spec)
    assert (verdict.status, verdict.score) == ("wrong", 0.0)
    assert alive("sandbox_harness") == []


LATE = {
    "loop": "while True: pass",
    "sleep": "import time\ntime.sleep(60)",
    "ignores_signals": "import signal\nfor s in (1, 2, 3, 14, 15, 24): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
    "fork_bomb": "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
    "stops_itself": "import os\nos.kill(os.getpid(), 19)",
    "daemon": "import os, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    time.sleep(60)\nwhile True: pass",
    "pattern": "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')",
    "power": "9**9**9**9",
}


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("namespaces", [True, False])
def test_late_programs_are_dead_on_time(name: str, namespaces: bool) -> None:
    limits = Limits(seconds=0.5, namespaces=namespaces)
    run = timely(partial(run_program, LATE[name], b"", limits), limits.seconds)
    assert run.ending == "timeout"
    assert alive("sandbox_harness") == []


def test_files_of_ours_are_out_of_reach_and_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.access("/dev/shm", os.W_OK):  # a thousand directories in memory
        monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    result = tmp_path / "reward.json"
    result.write_text("0")
    tmp_path.chmod(0o755)
    before = {p for p in os.listdir(tempfile.gettempdir()) if p.startswith("rlpipe-")}
    overwrite = f"try: open({str(result)!r}, 'w').write('1')\nexcept OSError: pass\nopen('reward.json', 'w').write('1')"
    nested = "import os\nfor _ in range(1100):\n    os.mkdir('d'); os.chdir('d')\nos.chmod('.', 0)"
    for program in (overwrite, nested):
        for namespaces in (True, False):
            run = run_program(program, b"", Limits(seconds=30, namespaces=namespaces))
            assert run.ending == "finished"
    if os.getuid() == 0:  # the program runs as somebody else
        assert result.read_text() == "0"
    assert {p for p in os.listdir(tempfile.gettempdir()) if p.startswith("rlpipe-")} <= before


def test_no_network_in_namespaces() -> None:
    listener = "import socket\ns = socket.socket()\ns.settimeout(0.3)\ns.connect(('1.1.1.1', 80))"
    run = run_program(listener, b"", LIMITS)
    assert run.ending == "unfinished" or not run.isolated


def test_an_empty_output_needs_the_end_as_well() -> None:
    spec = CodeSpec((CodeTest("", ""),), LIMITS)
    assert verify_program(fenced("x = 1"), spec).status == "ok"
    assert verify_program(fenced("import sys\nsys.exit(0)"), spec).status == "wrong"


def test_no_tests_are_an_error() -> None:
    assert verify_program(fenced("pass"), CodeSpec(())).status == "error"


def test_from_threads() -> None:
    answer = json.dumps({"inputs": ["3\n"], "outputs": ["9\n"], "seconds": 30})
    prompt = Prompt("p", (), answer, "code/square")
    verdicts: list[str] = []
    threads = [
        threading.Thread(target=lambda: verdicts.append(code.verify(prompt, fenced(RIGHT[0])).status)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    many = code.verify_many([(prompt, fenced(RIGHT[0])), (prompt, fenced("pass")), (prompt, "no program")])
    assert verdicts + [v.status for v in many] == ["ok"] * 4 + ["wrong", "no_answer"]


def test_reading_tests() -> None:
    answer = json.dumps({"tests": [{"stdin": "1", "stdout": "2"}], "seconds": 2, "rtol": 1e-6})
    assert read_spec(answer) == CodeSpec((CodeTest("1", "2"),), Limits(seconds=2.0), 1e-6)
    for bad in ("", "[]", "{}", '{"inputs": ["1"], "outputs": []}', '{"fn_name": "f", "inputs": [], "outputs": []}'):
        with pytest.raises(ValueError, match="code prompt"):
            read_spec(bad)
        assert code.verify(Prompt("p", (), bad, "apps"), fenced("pass")).status == "gold_unparseable"


@pytest.mark.parametrize(
    ("response", "program"),
    [
        ("```python\na\n```", "a\n"),
        ("```\na\n```", "a\n"),
        ("```python\na\n``` or ```py\nb\n```", "b\n"),
        ("```python\na\n``` and an open ```python\nb", "a\n"),
        ("<think>```\nx\n```</think>```\na\n```", "a\n"),
        ("<think>```\nx\n```", None),
        ("a = 1", None),
        ("```python\na", None),
    ],
)
def test_program_text(response: str, program: str | None) -> None:
    assert program_text(response) == program


def test_same_output() -> None:
    assert same_output(b"1 \n2\n\n", "1\n2")
    assert not same_output(b"1\n2", "1 2")
    assert not same_output(b"0.33333333", "0.333333333")
    assert same_output(b"0.33333333 x", "0.333333333 x", rtol=1e-6)
    assert not same_output(b"0.33 x", "0.333333333 x", rtol=1e-6)
    assert not same_output(b"1", "1 2", rtol=1e-6)
    assert not same_output(b"nan", "1", rtol=1e-6)
    assert not same_output(b"\xff", "x")
