"""Answers per second: plain numbers on one core, symbolic ones through the pool, programs through the sandbox.

    python benchmarks/verifiers.py [--profile]

Every response is different and long (a GSM8K-like solution of about 300 characters). "distinct" gives every row its own
reference answer, so that no cache helps; "groups of 16" repeats them as training does.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import platform
import pstats
import random
import time
from collections.abc import Callable, Iterator

from rlpipe.types import Prompt
from rlpipe.verifiers import code
from rlpipe.verifiers.answer import TRAINING, verify_answers
from rlpipe.verifiers.symbolic import SymbolicPool
from rlpipe.verifiers.verify import verify_many

WORK = "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 duck eggs a day.\nShe makes 9 * 2 = $18 every day at the market.\n" * 3


def numeric(n: int, group: int) -> list[tuple[str, str]]:
    """Responses in the four forms that are read, three quarters of them right; `group` rows share a reference."""
    rng = random.Random(0)
    rows, gold = [], 0
    for i in range(n):
        if i % group == 0:
            gold = rng.randint(-(10**12), 10**12)
        answer = gold if i % 4 else rng.randint(-(10**12), 10**12)
        forms = (
            f"#### {answer:,}",
            f"\\boxed{{{answer}}}",
            f"**Answer:** {answer}.00",
            f"so \\boxed{{{answer}\\text{{ cm}}}}.",
        )
        rows.append((f"{WORK}{i}\n{forms[i // 4 % 4]}", str(gold)))
    return rows


def symbolic(n: int) -> list[tuple[str, str]]:
    """Surds, polynomials and fractions of pi; none decided by the canonical form."""
    rng, pairs = random.Random(0), []
    for i in range(n):
        a, b = rng.randint(2, 99), rng.randint(2, 99)
        pairs.append(
            [
                (f"{a}\\sqrt{{{b}}}", f"\\sqrt{{{a * a * b}}}"),
                (f"x^2+{a + b}x+{a * b}", f"(x+{a})(x+{b})"),
                (f"\\frac{{{a}\\pi}}{{{b}}}", f"\\frac{{{2 * a}\\pi}}{{{2 * b}}}"),
                (f"{a}+{b}i", f"{b}i+{a + i % 2}"),
            ][i % 4]
        )
    return pairs


def programs(n: int) -> list[tuple[Prompt, str]]:
    answer = json.dumps({"tests": [{"stdin": "3\n", "stdout": "9\n"}]})
    return [
        (Prompt(str(i), (), answer, "code/square"), f"```python\nprint(int(input()) ** 2) # {i}\n```") for i in range(n)
    ]


def measure(name: str, n: int, work: Callable[[], object], rounds: int = 3) -> Iterator[str]:
    best_wall, best_cpu = float("inf"), float("inf")
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        best_wall, best_cpu = min(best_wall, time.perf_counter() - wall), min(best_cpu, time.process_time() - cpu)
    yield f"{name:<34}{n:>8}{n / best_wall:>14,.0f}{n / best_cpu:>22,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true", help="print where the numeric path spends its time")
    arguments = parser.parse_args()
    plain, grouped, hard, written = numeric(40_000, 1), numeric(40_000, 16), symbolic(400), programs(40)
    prompts = [(Prompt(str(i), (), gold, "openai/gsm8k"), response) for i, (response, gold) in enumerate(grouped)]
    if arguments.profile:
        profile = cProfile.Profile()
        profile.runcall(verify_answers, plain, TRAINING)
        pstats.Stats(profile).sort_stats("tottime").print_stats(14)
        return
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}; best of 3")
    print(f"{'':<34}{'answers':>8}{'per second':>14}{'per processor second':>22}")
    print(*measure("numbers, distinct", len(plain), lambda: verify_answers(plain, TRAINING)))
    print(*measure("numbers, groups of 16", len(grouped), lambda: verify_answers(grouped, TRAINING)))
    print(*measure("the same, through verify_many", len(prompts), lambda: verify_many(prompts)))
    for size in (1, 2):
        pool = SymbolicPool(size=size)
        pool.compare_many([("x", f"x+{i}") for i in range(size * 2)])
        print(
            *measure(f"symbolic, {size} worker{'s' * (size > 1)}", len(hard), lambda pool=pool: pool.compare_many(hard))
        )
        pool.close()
    print(*measure("programs, one test each", len(written), lambda: code.verify_many(written), rounds=2))


if __name__ == "__main__":
    main()
