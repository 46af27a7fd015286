"""Problems per second of every task family, each with a demonstration: `python -m benchmarks.tasks`.

What to expect: ten thousand of any family in less than five seconds on one core.
"""

from __future__ import annotations

import random
import time

from rlpipe.tasks.catalogue import families, family

PROBLEMS = 10_000


def seconds(name: str) -> float:
    """Of processor time, for PROBLEMS problems of two levels in turn."""
    module, rng, start = family(name), random.Random(9), time.process_time()
    for i in range(PROBLEMS):
        module.demonstrate(module.generate(rng, ("easy", "hard")[i % 2]), rng)
    return time.process_time() - start


def main() -> None:
    print(f"{'':<20}{'per second':>12}{f'{PROBLEMS:,} take':>18}")
    for name in families():
        taken = seconds(name)
        print(f"{name:<20}{PROBLEMS / taken:>12,.0f}{taken:>16.2f} s")


if __name__ == "__main__":
    main()
