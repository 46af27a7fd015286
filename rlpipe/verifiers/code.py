"""Programs as answers: the last fenced block, run once per test in the sandbox, its output compared.

A program is right if on every test it runs to its own end and prints what is expected. One that leaves early
(`sys.exit(0)`, `os._exit(0)`), whatever it printed before, is wrong. The expected output never enters the sandbox.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import zip_longest
from typing import Any

from rlpipe.types import Prompt, Status, Verdict
from rlpipe.verifiers.extract import writable
from rlpipe.verifiers.sandbox import Limits, run_program

NAME, VERSION = "code", "1"
LONGEST_PROGRAM = 2**18  # characters

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CodeTest:
    """What a program is given on standard input, and what it must print."""

    stdin: str
    stdout: str


@dataclass(frozen=True)
class CodeSpec:
    """The tests of one prompt. `rtol` compares numbers in the output with that relative tolerance; None is exact."""

    tests: tuple[CodeTest, ...]
    limits: Limits = field(default_factory=Limits)
    rtol: float | None = None


def read_spec(answer: str) -> CodeSpec:
    """The tests in a prompt's reference answer.

    `{"tests": [{"stdin": "1\\n", "stdout": "2\\n"}], "seconds": 6, "rtol": 1e-6}`, the last two optional; or verl's
    `{"inputs": ["1\\n"], "outputs": ["2\\n"]}`.

    Raises: ValueError for anything else, saying what is missing.
    """
    try:
        spec = json.loads(answer)
    except ValueError as error:
        raise ValueError(f"tests of a code prompt must be JSON: {error}") from error
    if not isinstance(spec, dict) or spec.get("fn_name"):
        raise ValueError(
            "tests of a code prompt must be an object of programs' inputs and outputs, not of a function's"
        )
    seconds = float(spec.get("seconds", Limits().seconds))
    rtol = spec.get("rtol")
    return CodeSpec(_tests(spec), replace(Limits(), seconds=seconds), None if rtol is None else float(rtol))


def _tests(spec: dict[str, Any]) -> tuple[CodeTest, ...]:
    if "tests" in spec:
        pairs = [(test["stdin"], test["stdout"]) for test in spec["tests"]]
    elif "inputs" in spec and "outputs" in spec:
        pairs = list(zip_longest(spec["inputs"], spec["outputs"]))
    else:
        raise ValueError(f"tests of a code prompt need 'tests', or 'inputs' and 'outputs'; found {sorted(spec)}")
    if not all(isinstance(text, str) for pair in pairs for text in pair):
        raise ValueError("inputs and outputs of a code prompt must be text, as many of the one as of the other")
    return tuple(CodeTest(*pair) for pair in pairs)


def program_text(response: str) -> str | None:
    """The last closed fenced block after the thinking, without its language tag; None if there is none."""
    text = response[response.rfind("</think>") + 8 :] if "</think>" in response else response
    if "<think>" in text:
        return None
    parts = text.split("```")
    if len(parts) < 3:
        return None
    block = parts[len(parts) - 2 - (len(parts) % 2 == 0)]
    tag, newline, body = block.partition("\n")
    return body if newline and " " not in tag.strip() else block


def same_output(printed: bytes, expected: str, rtol: float | None = None) -> bool:
    """Line by line, blanks at line ends and empty lines at the end aside; numbers within `rtol` where it is given."""
    found = [line.rstrip() for line in printed.decode("utf-8", "replace").rstrip().split("\n")]
    wanted = [line.rstrip() for line in expected.rstrip().split("\n")]
    if rtol is None or found == wanted:
        return found == wanted
    pairs = zip_longest((t for line in found for t in line.split()), (t for line in wanted for t in line.split()))
    return all(_same_token(a, b, rtol) for a, b in pairs)


def _same_token(found: str | None, wanted: str | None, rtol: float) -> bool:
    if found is None or wanted is None or found == wanted:
        return found == wanted
    try:
        return abs(float(found) - float(wanted)) <= rtol * abs(float(wanted))
    except ValueError:
        return False


def verify_program(response: str, spec: CodeSpec) -> Verdict:
    """Run a response's program on every test, up to the first that fails."""
    if not spec.tests:
        return _verdict("error")
    program = program_text(writable(response))
    if program is None or not program.strip():
        return _verdict("no_answer")
    if len(program) > LONGEST_PROGRAM:
        return _verdict("wrong", program[:1000])
    for test in spec.tests:
        try:
            run = run_program(program, test.stdin.encode("utf-8", "replace"), spec.limits)
        except OSError as error:
            log.warning("the sandbox could not run a program: %s", error)
            return _verdict("error", program)
        if run.ending == "timeout":
            return _verdict("timeout", program)
        if run.ending != "finished" or not same_output(run.stdout, test.stdout, spec.rtol):
            return _verdict("wrong", program)
    return _verdict("ok", program)


def _verdict(status: Status, program: str | None = None) -> Verdict:
    """The canonical form of a program is a digest of its lines: cheap, and safe on any text."""
    lines = [line.rstrip() for line in program.strip().splitlines() if line.strip()] if program else []
    digest = blake2b("\n".join(lines).encode("utf-8", "replace"), digest_size=16).hexdigest() if lines else None
    return Verdict(float(status == "ok"), status, program, digest, NAME, VERSION)


def verify(prompt: Prompt, response: str) -> Verdict:
    """The verdict on one response to a code prompt.

    Raises: RuntimeError outside Linux. A reference that cannot be read is `gold_unparseable`; an empty one, `error`.
    """
    try:
        spec = read_spec(prompt.answer)
    except (ValueError, KeyError, TypeError) as error:
        log.warning("prompt %s: %s", prompt.id, error)
        return _verdict("gold_unparseable")
    return verify_program(response, spec)


def reference_status(prompt: Prompt) -> Status:
    """`ok`, `gold_unparseable` for tests that cannot be read, `error` for none."""
    try:
        return "ok" if read_spec(prompt.answer).tests else "error"
    except (ValueError, KeyError, TypeError):
        return "gold_unparseable"


def verify_many(pairs: Sequence[tuple[Prompt, str]]) -> list[Verdict]:
    """Verdicts in order; programs run side by side, one per core."""
    with ThreadPoolExecutor(max(1, os.cpu_count() or 1), "sandbox") as threads:
        return list(threads.map(lambda pair: verify(*pair), pairs))
