"""One run of an untrusted program: fresh process group, fresh directory, hard limits, nothing left behind.

Not a security boundary. The program runs under the same kernel, can read what its user can read, and is held back only
by what `sandbox_harness` could get from the system: namespaces and another user where allowed, resource limits and
kills otherwise. Run policies you do not trust inside a container or a virtual machine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

from rlpipe.verifiers import sandbox_harness

GRACE = 0.2  # seconds after the program's limit at which the parent kills what the harness has not
THROWAWAY_USERS = 61184, 65519  # systemd's range for users that exist only while they are needed

Ending = Literal["finished", "unfinished", "timeout", "output", "killed"]


@dataclass(frozen=True)
class Limits:
    """What one run of a program may use: seconds of wall clock, bytes, processes.

    `namespaces` False does without them even where the system would allow them.
    """

    seconds: float = 6.0
    memory: int = 1 * 2**30
    file_bytes: int = 16 * 2**20
    output_bytes: int = 2**20
    processes: int = 16
    namespaces: bool = True


@dataclass(frozen=True)
class Run:
    """How a program ended. `finished`: it ran to its end by itself; an early exit or an exception is `unfinished`.

    `isolated` says that it ran in namespaces of its own.
    """

    ending: Ending
    stdout: bytes
    seconds: float
    isolated: bool = False


def run_program(source: str, stdin: bytes, limits: Limits = Limits()) -> Run:
    """Run a Python program on one input.

    Returns: within `limits.seconds` plus half a second; no process it started is alive then.
    Raises: OSError if the machine cannot start a process; RuntimeError outside Linux.
    """
    if sys.platform != "linux":
        raise RuntimeError("programs are checked on Linux only; leave code sources out, or run in a container")
    started = time.monotonic()
    sentinel = secrets.token_hex(16).encode()
    with _directory() as (directory, uid), _file(stdin) as given, _file(sentinel + b"\n" + _encoded(source)) as control:
        result, result_write = os.pipe()
        try:
            process = subprocess.Popen(
                _command(control, result_write, started + limits.seconds, limits, uid, directory),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(control, result_write),
                start_new_session=True,
                cwd=directory,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": directory},
            )
        except BaseException:
            os.close(result)
            raise
        finally:
            os.close(result_write)
        assert process.stdout is not None
        with process.stdout, os.fdopen(result, "rb", buffering=0) as reply:
            try:
                stdout, told, cut = _listen(process.stdout.fileno(), reply.fileno(), limits, started)
            finally:
                _end(process)
        if not told:
            _end_strays(directory)
        taken = time.monotonic() - started
        ending, isolated = _ending(told, sentinel, cut)
        return Run("timeout" if ending == "killed" and taken >= limits.seconds else ending, stdout, taken, isolated)


def _encoded(source: str) -> bytes:
    return source.encode("utf-8", "replace")


def _command(control: int, result: int, deadline: float, limits: Limits, uid: int, directory: str) -> list[str]:
    numbers = [deadline, limits.seconds, limits.memory, limits.file_bytes, limits.processes]
    switches = [uid, int(_library_is_public()), int(limits.namespaces)]
    flags = ["-I", "-S", "-B", "-X", "utf8"]
    arguments = [control, result, *numbers, *switches, directory]
    return [sys.executable, *flags, sandbox_harness.__file__, *map(str, arguments)]


def _listen(stdout: int, reply: int, limits: Limits, started: float) -> tuple[bytes, bytes, bool]:
    """What the program printed, what the harness said, and whether listening was cut short by the output limit."""
    printed, told = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ, printed)
        selector.register(reply, selectors.EVENT_READ, told)
        while reply in {key.fd for key in selector.get_map().values()}:
            left = started + limits.seconds + GRACE - time.monotonic()
            if left <= 0:
                break
            for key, _ in selector.select(left):
                part = os.read(key.fd, 65_536)
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fd)
            if len(printed) > limits.output_bytes:
                return bytes(printed[: limits.output_bytes]), bytes(told), True
    if told:  # the harness speaks when nothing can print any more: what is in the pipe is all there is
        os.set_blocking(stdout, False)
        with contextlib.suppress(BlockingIOError):
            while part := os.read(stdout, 65_536):
                printed.extend(part)
    return bytes(printed[: limits.output_bytes]), bytes(told), len(printed) > limits.output_bytes


def _ending(told: bytes, sentinel: bytes, cut: bool) -> tuple[Ending, bool]:
    """How the run ended, from the harness's own words; without its sentinel the harness was killed."""
    said, _, rest = told.partition(b" ")
    word, _, where = rest.decode("ascii", "replace").partition(" ")
    if cut:
        return "output", where == "isolated"
    if said != sentinel or word not in ("finished", "unfinished", "timeout"):
        return "killed", False
    return cast(Ending, word), where == "isolated"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the harness, its group and everything below it, and wait for it."""
    if process.poll() is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)  # it has said all it has to say and is about to leave
    if process.poll() is None:
        below = sandbox_harness.descendants(process.pid)
        for pid in below:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _end_strays(directory: str) -> None:
    """Kill what lost its harness: without namespaces, a program of our own user can kill that first."""
    mark = b"HOME=" + directory.encode() + b"\0"
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if mark in Path("/proc", pid, "environ").read_bytes():
                os.kill(int(pid), signal.SIGKILL)


@lru_cache(maxsize=1)
def _library_is_public() -> bool:
    """Whether any user can read the standard library: else a program without root could import nothing."""
    path = Path(os.__file__).resolve()
    reached = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    return reached and bool(path.stat().st_mode & stat.S_IROTH)


@contextlib.contextmanager
def _directory() -> Iterator[tuple[str, int]]:
    """A fresh directory, and the user that owns it: a throwaway one where we are root, else -1 (stay who we are)."""
    directory = tempfile.mkdtemp(prefix="rlpipe-")
    first, last = THROWAWAY_USERS
    uid = first + secrets.randbelow(last - first + 1) if os.getuid() == 0 else -1
    try:
        if uid > 0:
            os.chown(directory, uid, uid)
        yield directory, uid
    finally:
        os.chmod(directory, 0o700)
        _remove(directory)


def _remove(directory: str) -> None:
    """Delete the directory, however deep the program nested it and whatever rights it took away.

    Inner directories are moved to the top before they are emptied, as `shutil.rmtree` fails beyond the recursion limit.
    """
    prefix, moved, emptied, waiting = f"{directory}/{secrets.token_hex(8)}-", 0, [], [directory]
    while waiting:
        folder = waiting.pop()
        emptied.append(folder)
        for entry in list(os.scandir(folder)):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, 0o700)
            waiting.append(f"{prefix}{moved}")
            os.rename(entry.path, waiting[-1])
            moved += 1
    for folder in reversed(emptied):
        os.rmdir(folder)


@contextlib.contextmanager
def _file(content: bytes) -> Iterator[int]:
    """A nameless file holding `content`, open for reading."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file.fileno()
