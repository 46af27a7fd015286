"""What runs inside the sandbox: started by `sandbox.run_program` as a script under `python -I -S`.

Three processes. The harness keeps the sentinel and the only pipe to the parent; it waits, and writes the sentinel when
the program has run to its end. The keeper is process 1 of a new process namespace where the system allows one, so that
its end is the end of everything the program started. The program runs in the third, without that pipe, under limits,
and without root where there is root to give up.

Imports nothing of this package. Arguments: see `sandbox._command`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from types import CodeType

NEW_USER, NEW_PROCESSES, NEW_MOUNTS, NEW_NETWORK, NEW_IPC = 0x10000000, 0x20000000, 0x20000, 0x40000000, 0x08000000
PRIVATE_RECURSIVE = 0x4000 | 0x40000
NO_SET_UID, NO_DEVICES = 2, 4
DIE_WITH_PARENT, KEEP_CAPABILITIES, SUBREAPER, NO_NEW_PRIVILEGES = 1, 8, 36, 38
CAPABILITY_VERSION_3, DAC_READ_SEARCH = 0x20080522, 1 << 2

libc = ctypes.CDLL(None, use_errno=True)


def isolate() -> bool:
    """Enter new namespaces for processes, mounts and network; with a user namespace where root alone may. True if it
    worked: the next child is then process 1, and nothing outlives it."""
    private = NEW_PROCESSES | NEW_MOUNTS | NEW_NETWORK | NEW_IPC
    return any(libc.unshare(flags) == 0 for flags in (private, private | NEW_USER))


def private_directory(directory: str, size: int, uid: int) -> None:
    """A small file system in memory over the working directory, and a /proc that shows the sandbox alone. Either may
    be refused (containers mask /proc); the plain temporary directory is then what is left."""
    libc.mount(None, b"/", None, PRIVATE_RECURSIVE, None)
    options = f"size={size},nr_inodes=4096,mode=0700" + (f",uid={uid},gid={uid}" if uid > 0 else "")
    libc.mount(b"tmpfs", directory.encode(), b"tmpfs", NO_SET_UID | NO_DEVICES, options.encode())
    libc.mount(b"proc", b"/proc", b"proc", NO_SET_UID | NO_DEVICES, None)
    os.chdir(directory)


def limit(seconds: float, memory: int, file_bytes: int, processes: int, counted: bool) -> None:
    """Resource limits, for good. `counted`: the system's count of processes is of this sandbox alone."""
    if not counted:
        with open("/proc/loadavg") as load:
            processes += int(load.read().split()[3].split("/")[1])
    cpu = int(seconds) + 1
    for name, value in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(name, (value, value))


def give_up_root(uid: int, may_read: bool) -> None:
    """Become a user that owns nothing but the working directory, so that the limit on processes binds and no file or
    process of ours can be changed. `may_read` keeps the right to read, for a standard library in a private home."""
    libc.prctl(KEEP_CAPABILITIES, int(may_read), 0, 0, 0)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if may_read:
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        rights = (ctypes.c_uint32 * 6)(DAC_READ_SEARCH, DAC_READ_SEARCH, 0, 0, 0, 0)
        libc.capset(header, rights)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def run(source: str, token: bytes, done: int) -> None:
    """Run the program as `__main__`; the token is written only if it comes to its end by itself."""
    write, leave = os.write, os._exit  # the program may replace the module's
    try:
        code: CodeType = compile(source, "<answer>", "exec", dont_inherit=True)
        exec(code, {"__name__": "__main__", "__builtins__": __builtins__})
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()
        sys.stdout.flush()
        write(done, token)
    except BaseException:  # untrusted: an exit or an exception is an unfinished program
        leave(1)
    leave(0)


def descendants(root: int) -> list[int]:
    """Living processes below `root`, from /proc."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    fields = stat.read().rpartition(b")")[2].split()
                parents[int(name)] = int(fields[1])
            except (OSError, ValueError, IndexError):
                continue
    below, grew = {root}, True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in below} - below
        below |= more
        grew = bool(more)
    return sorted(below - {root})


def sweep(keeper: int, isolated: bool) -> None:
    """Kill the keeper and everything left below the harness, and wait until nothing is."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        for pid in [keeper] if isolated else descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            while os.waitpid(-1, 0 if isolated else os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def keep(program: int) -> None:
    """Wait for the program, reaping whatever else ends."""
    while os.wait()[0] != program:
        pass


def main() -> None:
    control, result = int(sys.argv[1]), int(sys.argv[2])
    deadline, seconds = map(float, sys.argv[3:5])  # the former on the clock of time.monotonic, which processes share
    memory, file_bytes, processes, uid, public, namespaces = map(int, sys.argv[5:11])
    directory = sys.argv[11]
    with os.fdopen(control, "rb") as file:
        sentinel, _, source = file.read().partition(b"\n")
    libc.prctl(SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    isolated = bool(namespaces) and isolate()
    token = os.urandom(16)
    done_read, done_write = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        try:
            libc.prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
            os.close(result)
            os.close(done_read)
            if isolated:
                private_directory(directory, 4 * file_bytes, uid)
            program = os.fork()
            if program == 0:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
                limit(seconds, memory, file_bytes, processes, counted=uid > 0 or (isolated and os.getuid() != 0))
                if uid > 0:
                    give_up_root(uid, may_read=not public)
                run(source.decode("utf-8", "replace"), token, done_write)
            os.close(done_write)
            for standard in (0, 1):
                os.close(standard)
            keep(program)
        finally:
            os._exit(0)
    os.close(done_write)
    for standard in (0, 1):
        os.close(standard)
    in_time = bool(signal.sigtimedwait({signal.SIGCHLD}, max(0.0, deadline - time.monotonic())))
    sweep(keeper, isolated)
    os.set_blocking(done_read, False)
    try:
        finished = os.read(done_read, 64) == token
    except BlockingIOError:
        finished = False
    end = b"finished" if finished and in_time else b"unfinished" if in_time else b"timeout"
    os.write(result, sentinel + b" " + end + (b" isolated" if isolated else b" bare"))


if __name__ == "__main__":
    main()
