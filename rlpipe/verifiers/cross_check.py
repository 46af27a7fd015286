"""A second opinion on a small share of answers, to notice when the exact comparison errs."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from rlpipe.types import Status, Verdict, draw_seed
from rlpipe.verifiers.symbolic import shared_pool

log = logging.getLogger(__name__)


def second_opinions(
    pairs: Sequence[tuple[str, str]], verdicts: Sequence[Verdict], share: float = 0.01, seed: int = 0
) -> dict[int, Status]:
    """What math-verify says, `ok` or `wrong`, of `share` of the exactly decided `(response, gold)` pairs, by row.

    Which ones depends on the pair and `seed` alone. Answers that only math-verify decides, or that a task or a program
    decides, have no second verifier and are passed over; so are those that math-verify cannot decide.
    """
    rows = [
        i
        for i, (verdict, (response, gold)) in enumerate(zip(verdicts, pairs, strict=True))
        if verdict.verifier == "answer"
        and verdict.status in ("ok", "wrong")
        and draw_seed("cross_check", seed, response, gold) < share * 2**63
    ]
    asked = [(pairs[i][1], verdicts[i].extracted or "") for i in rows]
    answers = shared_pool().compare_many(asked) if asked else []
    return {i: second for i, second in zip(rows, answers, strict=True) if second in ("ok", "wrong")}


def cross_check(
    pairs: Sequence[tuple[str, str]], verdicts: Sequence[Verdict], share: float = 0.01, seed: int = 0
) -> dict[int, Status]:
    """The `second_opinions`, with a line in the log for each that differs.

    It is a warning, never a change of a verdict: some disagreement is by design (percentages, rounding, work left
    undone), so what matters is a change of its rate.
    """
    found = second_opinions(pairs, verdicts, share, seed)
    for i, second in found.items():
        if (second == "ok") != verdicts[i].correct:
            extracted, gold, status = verdicts[i].extracted, pairs[i][1], verdicts[i].status
            log.warning("answer %r to %r: %s exactly, %s for math-verify", extracted, gold, status, second)
    return found
