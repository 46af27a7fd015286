"""The pool of symbolic workers: right answers, dead on time, nothing left, from any thread."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from rlpipe.verifiers.answer import AnswerSpec, verify_answer
from rlpipe.verifiers.symbolic import SymbolicPool
from tests.verifiers.processes import alive, timely


@pytest.fixture(scope="module")
def pool() -> Iterator[SymbolicPool]:
    pool = SymbolicPool(size=1)
    yield pool
    pool.close()


@pytest.mark.parametrize(
    ("gold", "prediction", "status"),
    [
        (r"2\sqrt{2}", r"\sqrt{8}", "ok"),
        (r"(x+1)^2", r"x^2+2x+1", "ok"),
        (r"\frac{\pi}{4}", r"0.25\pi", "ok"),
        (r"2*sqrt(2)", r"\sqrt{8}", "ok"),
        (r"y=2x+1", r"2x+1", "ok"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", "ok"),
        (r"\pi", "3.141593", "wrong"),
        (r"\pi", "3.14159265358979323846", "wrong"),
        (r"\sqrt{2}", "1.4142135623730951", "wrong"),
        (r"x=5", "y=5", "wrong"),
        (r"\sqrt{2}", r"\frac{1", "wrong"),
        (r"\frac{1", r"\sqrt{2}", "gold_unparseable"),
        ("x", "y" * 257, "needs_symbolic"),
    ],
)
def test_outcomes(pool: SymbolicPool, gold: str, prediction: str, status: str) -> None:
    assert pool.compare(gold, prediction) == status


REFUSED = [(r"\sqrt{1764}", "42"), ("40+2", "42"), (r"6\times7", "42"), ("42x^0", "42")]
REFUSED += [(r"\sqrt{2}\%", r"\sqrt{2}"), ("x+2y+" * 60, "y")]


@pytest.mark.parametrize(("prediction", "gold"), REFUSED)
def test_not_sent(prediction: str, gold: str) -> None:
    assert verify_answer(f"\\boxed{{{prediction}}}", gold).status == "needs_symbolic"


def test_sent_when_work_may_be_left_undone() -> None:
    loose = AnswerSpec(require_simplified=False)
    assert verify_answer(r"\boxed{6\times7}", "42", loose).correct
    assert verify_answer(r"\boxed{42 \text{ monkeys}}", "42").correct


def test_brackets_are_compared_before_anything_is_sent() -> None:
    assert verify_answer(r"\boxed{\{1,x\}}", "(1,x)").status == "wrong"


def test_an_alarm_inside_ends_a_slow_comparison() -> None:
    pool = SymbolicPool(size=1, wall=60.0, inner=0.5)
    assert pool.compare("x", "x") == "ok"
    process = pool._idle[0].process
    assert pool.compare(r"\sqrt{2}", r"\sum_{k=1}^{1000000} \sin(k)") == "timeout"
    assert pool._idle[0].process is process
    pool.close()


@pytest.mark.parametrize("power", ["9^{9^{9^9}}", "99999999!"])
def test_a_late_worker_is_killed_and_replaced(power: str) -> None:
    # The alarm comes too late to help: what is tested is the wall clock outside.
    pool = SymbolicPool(size=1, wall=0.7, inner=60.0)
    try:
        assert pool.compare("x", "x") == "ok"
        killed = pool._idle[0].process.pid
        assert pool.compare(r"\sqrt{2}", power) == "timeout"
        assert pool.compare("x+1", "1+x") == "ok"
        assert killed not in alive("symbolic_worker")
        late, ready = partial(pool.compare, r"\sqrt{2}", power), partial(pool.compare, "x", "x")
        assert timely(late, pool.wall, prepare=ready) == "timeout"
    finally:
        pool.close()


def test_a_dead_worker_is_an_error_and_is_replaced(pool: SymbolicPool) -> None:
    assert pool.compare("x", "x") == "ok"
    os.kill(pool._idle[0].process.pid, signal.SIGKILL)
    time.sleep(0.05)
    assert pool.compare("x", "x") == "error"
    assert pool.compare("x", "x") == "ok"


def test_workers_are_recycled() -> None:
    pool = SymbolicPool(size=1, recycle=2)
    assert [pool.compare("x", "x") for _ in range(2)] == ["ok", "ok"]
    assert not pool._idle
    pool.close()


def test_threads_and_event_loops(pool: SymbolicPool) -> None:
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(pool.compare("x+1", "1+x"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def ask() -> list[str]:
        inside = pool.compare("x+1", "1+x")
        return [inside, *await asyncio.gather(*(asyncio.to_thread(pool.compare, "x+2", "2+x") for _ in range(3)))]

    assert answers + asyncio.run(ask()) == ["ok"] * 8


def test_many_in_order(pool: SymbolicPool) -> None:
    pairs = [("x+1", "1+x"), ("x+1", "x"), ("x+1", "1+x"), ("2y", "y+y")]
    assert pool.compare_many(pairs) == ["ok", "wrong", "ok", "ok"]
    assert pool.compare_many([]) == []


def test_a_forked_child_starts_workers_of_its_own(pool: SymbolicPool) -> None:
    assert pool.compare("x", "x") == "ok"
    mine = pool._idle[0].process.pid
    child = os.fork()
    if child == 0:
        right = pool.compare("x+1", "1+x") == "ok" and pool._idle[0].process.pid != mine
        pool.close()
        os._exit(0 if right else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.compare("x", "x") == "ok"
    assert pool._idle[0].process.pid == mine


SCRIPT = """
import sys
from rlpipe.verifiers.answer import verify_answer
from rlpipe.verifiers.symbolic import shared_pool
assert verify_answer("#### 5", "5").correct and not shared_pool()._all   # nothing starts for plain numbers
assert verify_answer(r"\\boxed{\\sqrt{8}}", r"2\\sqrt{2}").correct
print(*(worker.process.pid for worker in shared_pool()._all))
"""


def test_started_when_needed_and_gone_at_exit() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    pids = done.stdout.split()
    assert pids
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_closed(pool: SymbolicPool) -> None:
    other = SymbolicPool(size=1)
    other.close()
    with pytest.raises(RuntimeError, match="closed"):
        other.compare("x", "x")
