"""A second opinion on a small share of answers, to notice when the exact comparison errs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from rlpipe.types import Status, Verdict, draw_seed
from rlpipe.verifiers.symbolic import shared_pool

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Disagreement:
    """An answer on which math-verify differs from the exact comparison: row, what was compared, both outcomes."""

    row: int
    extracted: str
    gold: str
    status: Status
    second: Status


def cross_check(
    pairs: Sequence[tuple[str, str]], verdicts: Sequence[Verdict], share: float = 0.01, seed: int = 0
) -> list[Disagreement]:
    """Ask math-verify about `share` of the exactly decided `(response, gold)` pairs, and log where it disagrees.

    Which ones depends on the pair and `seed` alone. It is a warning, never a change of a verdict: some disagreement is
    by design (percentages, rounding, work left undone), so what matters is a change of its rate.
    """
    rows = [
        i
        for i, (verdict, (response, gold)) in enumerate(zip(verdicts, pairs, strict=True))
        if verdict.verifier == "answer"
        and verdict.status in ("ok", "wrong")
        and draw_seed("cross_check", seed, response, gold) < share * 2**63
    ]
    asked = [(pairs[i][1], verdicts[i].extracted or "") for i in rows]
    found = []
    for i, (gold, extracted), second in zip(
        rows, asked, shared_pool().compare_many(asked) if asked else [], strict=True
    ):
        if second in ("ok", "wrong") and (second == "ok") != verdicts[i].correct:
            found.append(Disagreement(i, extracted, gold, verdicts[i].status, second))
            log.warning("answer %r to %r: %s exactly, %s for math-verify", extracted, gold, verdicts[i].status, second)
    return found
