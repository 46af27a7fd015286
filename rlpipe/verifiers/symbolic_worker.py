"""The process that runs math-verify: started by `symbolic.SymbolicPool` as a script, killed by it when it is late.

Reads one JSON line `[gold, prediction]`, answers one line with a status, until its input ends. math-verify reads the
LaTeX; what it reads is compared by `symbolic_equality`, as its own comparison rounds to an absolute precision. Of this
package it imports that module alone, so that it starts in the time sympy needs.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
from typing import Any

from rlpipe.verifiers.symbolic_equality import DIGITS, same

DIGIT_RUN = re.compile("[0-9.]+")
MEMORY_BYTES = 2 * 2**30
CPU_SECONDS = 10


class OutOfTime(BaseException):
    """Not an Exception: sympy and math-verify catch those and carry on."""


def _out_of_time(signum: int, frame: object) -> None:
    raise OutOfTime


def _limit() -> None:
    """Memory for good; no further processes or threads (root is exempt from the latter)."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _grant_cpu() -> None:
    """Ten more seconds of processor time for the next task; the kernel kills the process when they are gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_SECONDS, resource.RLIM_INFINITY))


def _exact(expression: Any) -> Any:
    """Floats as the decimals that were written: an approximation must not equal what it approximates."""
    from sympy import Float, Rational

    atoms = getattr(expression, "atoms", None)
    floats = atoms(Float) if atoms else ()
    return expression.xreplace({f: Rational(str(f)) for f in floats}) if floats else expression


def equivalent(gold: str, prediction: str) -> str:
    """`ok`, `wrong` or `gold_unparseable`."""
    reference = _read(gold)
    if reference is None:
        return "gold_unparseable"
    answer = _read(prediction)
    if answer is None:
        return "wrong"
    digits = DIGITS + max(map(len, DIGIT_RUN.findall(gold + " " + prediction)), default=0)
    return "ok" if same(reference, answer, digits) else "wrong"


def _read(text: str) -> Any:
    """What math-verify makes of the text; None where it reads no formula."""
    from math_verify import LatexExtractionConfig, parse

    # Its own timeouts are alarms that would replace ours and turn a timeout into a silent False.
    config: Any = [LatexExtractionConfig(boxed_match_priority=-1)]
    found = parse(f"${text}$", config, fallback_mode="no_fallback", parsing_timeout=None)
    return next((_exact(expression) for expression in found if not isinstance(expression, str)), None)


def _judge(line: bytes, seconds: float) -> str:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        gold, prediction = json.loads(line)
        return equivalent(gold, prediction)
    except OutOfTime:
        return "timeout"
    except BaseException as error:  # untrusted text may raise anything; it is never a reason to score
        return f"error {type(error).__name__}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    """Serve until standard input ends. Arguments: the seconds granted to one task."""
    seconds = float(sys.argv[1])
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what libraries print is not a reply
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for gold, prediction in (("\\sqrt{8}", "2\\sqrt{2}"), ("(x+1)^2", "x^2+2x+1"), ("\\pi", "\\frac{1}{2}")):
        equivalent(gold, prediction)  # loads sympy, its grammar and its caches before the first clock runs
    _limit()
    replies.write(b"ready\n")
    for line in sys.stdin.buffer:
        _grant_cpu()
        replies.write(_judge(line, seconds).encode() + b"\n")


if __name__ == "__main__":
    main()
