"""Answers that want a verifier to hang, die, leak or be fooled. Deterministic; none of them is right.

`texts` are for the answer verifier, reference `2\\sqrt{2}` or `7`; `programs` for the sandbox.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

GOLDS = (r"2\sqrt{2}", "7")


def texts(n: int, seed: int = 0) -> Iterator[str]:
    """`n` hostile responses: nesting, giant numbers, catastrophic patterns, binary junk, a megabyte of text."""
    rng = random.Random(seed)
    for i in range(n):
        yield KINDS[i % len(KINDS)](rng)


def _box(content: str) -> str:
    return f"\\boxed{{{content}}}"


def _nesting(rng: random.Random) -> str:
    left, right = rng.choice(
        ["()", "[]", "{}", ("\\{", "\\}"), ("\\text{", "}"), ("\\frac{1}{", "}"), ("\\sqrt{", "}")]
    )
    depth = rng.choice([5, 40, 300, 5000])
    return _box(left * depth + "8" + right * (depth - rng.randint(0, 1)))


def _numbers(rng: random.Random) -> str:
    digits = "9" * rng.choice([30, 1500, 100_000])
    forms = [
        digits,
        f"0.{digits}",
        f"{digits}/{digits}1",
        f"1e{digits}",
        f"\\frac{{1}}{{{digits}}}",
        f"-{digits},{digits}",
    ]
    return _box(rng.choice(forms))


def _patterns(rng: random.Random) -> str:
    piece = rng.choice(
        ["1,", "1,234,", "x=", "\\boxed{", "Answer:", "#### ", "**", "\\text{ ", "5 cm ", "( ", "-", "\\frac"]
    )
    return (
        rng.choice(["", "Answer: ", "#### "])
        + piece * rng.choice([300, 2000, 100_000])
        + rng.choice(["", "!", "}", "_"])
    )


def _junk(rng: random.Random) -> str:
    text = "".join(
        chr(rng.choice([rng.randrange(32), rng.randrange(0x250), rng.randrange(0xD800), 0xDC80])) for _ in range(200)
    )
    return rng.choice([text, _box(text), "#### " + text, _box("7\x00"), _box("2\\sqrt{2}\ud800"), _box("\u202e7")])


def _megabyte(rng: random.Random) -> str:
    return (
        rng.choice(["a", "{", "\\boxed{", "####", "\\", "<think>", " ", "½", "9"]) * (10**6 // rng.choice([1, 2])) + "7"
    )


def _gaming(rng: random.Random) -> str:
    hedges = [
        _box("7") + _box(rng.choice("6890")),
        _box("7") + "<think>",
        "<think>" + _box("7"),
        _box("6 or 7"),
        _box("6,7"),
    ]
    hedges += [
        _box("1..7"),
        _box("x"),
        _box("7%"),
        _box("3+4"),
        _box("\\sqrt{49}"),
        _box("2.828427"),
        _box("2.8284271247461903"),
    ]
    hedges += [
        _box("6=7"),
        _box("7=8"),
        _box("x^2=8"),
        _box("any of 1 2 3 4 5 6 7"),
        _box("\\{6,7\\}"),
        "7",
        _box("gold"),
    ]
    return rng.choice(hedges)


def _expensive(rng: random.Random) -> str:
    """Cheap to read, and beyond any computer to evaluate."""
    n = rng.randint(5, 9)
    forms = [f"{n}^{{{n}^{{{n}^{n}}}}}", f"{rng.randint(10**7, 10**8)}!x", f"x^{{{10**9 + n}}}-(x+1)^{{{10**8}}}"]
    forms += [
        f"\\sum_{{k=1}}^{{{10**n}}} \\sin(k)",
        "(" * 30 + "x" + "+y)^{99}" * 30,
        f"\\int_0^1 x^{{x^{{x^{n}}}}} dx",
    ]
    forms += ["\\begin{pmatrix}" + "&".join("xyzw") + "\\end{pmatrix}" * 3, f"\\binom{{{10**n}}}{{{10 ** (n - 1)}}}x"]
    return _box(rng.choice(forms))


KINDS = [_nesting, _numbers, _patterns, _junk, _gaming, _nesting, _gaming, _numbers, _patterns, _junk]


def expensive(n: int, seed: int = 0) -> Iterator[str]:
    rng = random.Random(seed)
    return (_expensive(rng) for _ in range(n))


def megabytes(n: int, seed: int = 0) -> Iterator[str]:
    rng = random.Random(seed)
    return (_megabyte(rng) for _ in range(n))


QUICK = [
    "print(49)\nimport sys\nsys.exit(0)",
    "print(49, flush=True)\nimport os\nos._exit(0)",
    "print(49)\nraise KeyboardInterrupt",
    "import os\nos.execv('/bin/echo', ['echo', '49'])",
    "import sys\nprint(49)\nsys.stdout.flush()\nsys.stdout.close()\nimport os\nos.abort()",
    "open('result.json', 'w').write('{\"score\": 1}')",
    "import os\nfor fd in range(3, 64):\n  try: os.write(fd, b'{\"score\": 1}')\n  except OSError: pass",
    "import os\nfor root in ('/tmp', '/proc/1/fd', '/dev/shm'):\n  for f in os.listdir(root)[:50]:\n"
    "    try: open(f'{root}/{f}', 'ab').write(b'49')\n    except OSError: pass\nos._exit(0)",
    "import sys\nsys.stdin.read()\nprint('48')",
    "print('\\x00' * 1000)",
    "import os\nos.kill(os.getppid(), 9)\nos.kill(1, 9)\nos.killpg(0, 9)",
    "import gc, sys\nf = sys._getframe()\nwhile f: f.f_locals.clear(); f = f.f_back\nos",
    "import os\nos.closerange(0, 100)\nprint(49)",
    "import ctypes\nctypes.string_at(1)",
    "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))\nprint(49)",
    "x = ' ' * (1 << 34)\nprint(49)",
    "import atexit, os\natexit.register(print, 49)\nos._exit(0)",
    "(" * 3000,
    "\ud800 \x00",
    "import builtins\nbuiltins.print = None\nprint(49)",
]
SLOW = [
    "while True: pass",
    "import time\ntime.sleep(1000)",
    "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass",
    "import os, time\nfor _ in range(8):\n  if os.fork() == 0:\n    os.setsid()\n"
    "    if os.fork(): os._exit(0)\n    time.sleep(1000)\ntime.sleep(1000)",
    "import re\nre.match(r'(x+x+)+y', 'x' * 50)",
    "9**9**9**9",
    "import signal, os\nfor s in (1, 2, 3, 14, 15, 24): signal.signal(s, signal.SIG_IGN)\nos.setsid()\nwhile True: pass",
    "import threading\ndef f():\n  while True: pass\nfor _ in range(4): threading.Thread(target=f).start()",
    "print(49, flush=True)\nwhile True: pass",
    "import os\nos.kill(os.getpid(), 19)",
]
EXHAUSTING = [
    "while True: print('49' * 1000)",
    "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    "a = []\nwhile True: a.append(' ' * 10**6)",
    "for i in range(10**6):\n  open(str(i), 'wb').write(bytes(10**6))",
    "import os\nwhile True: os.mkdir('d'); os.chdir('d')",
]


def programs(n: int, seed: int = 0) -> list[str]:
    """`n` hostile programs; one in eight is slow and one in sixteen eats what it can."""
    rng = random.Random(seed)
    chosen = [rng.choice(SLOW if i % 8 == 0 else EXHAUSTING if i % 16 == 1 else QUICK) for i in range(n)]
    return [f"```python\n{program}\n```" for program in chosen]
