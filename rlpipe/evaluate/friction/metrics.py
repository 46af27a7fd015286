"""The friction loop as its settings ask for it, and what is written of it: a row per prompt and round, and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rlpipe import artifacts
from rlpipe.engine.protocol import Engine
from rlpipe.evaluate.friction.loop import Dialogue, Feedback, FrictionResult, friction, self_feedback
from rlpipe.evaluate.friction.settings import FrictionSettings
from rlpipe.evaluate.metric_row import ALL, Row, bounds, stable, to_json
from rlpipe.statistics.intervals import Interval, interval
from rlpipe.types import Prompt, Verdict
from rlpipe.verifiers.answer import EVALUATION
from rlpipe.verifiers.verify import verify

S, I32, I64, BOOL = artifacts.S, artifacts.I32, artifacts.I64, artifacts.BOOL
FRICTION = artifacts.Schema(
    "friction",
    1,
    {"run_id": S, "model_id": S, "prompt_id": S, "data_source": S, "round": I32, "response": S, "correct": BOOL}
    | {"generated_tokens": I64, "out_of_room": BOOL},
    {"difficulty": S, "answer": S, "feedback": S},
)


def run(engine: Engine, prompts: Sequence[Prompt], s: FrictionSettings, room: int | None) -> FrictionResult:
    """The loop as the settings ask for it. `room`: the model's longest sequence in tokens."""

    def told(prompt: Prompt, response: str, verdict: Verdict, round: int) -> str:
        return s.text

    feedback: Feedback = self_feedback(engine, s.feedback_tokens) if s.feedback == "self" else told
    return friction(
        engine,
        prompts,
        lambda prompt, text: verify(prompt, text, EVALUATION),
        feedback,
        s.rounds,
        s.max_new_tokens,
        s.heat,
        s.list_earlier,
        s.tries,
        seed=s.seed,
        room=room,
    )


def metric_rows(result: FrictionResult, settings: FrictionSettings) -> list[Row]:
    """`friction_accuracy` with k the round, solved so far, with intervals over prompts; `friction` where it is defined."""
    dialogues, rounds = result.dialogues, len(result.accuracy)
    solved = np.array([[d.solved_in is not None and d.solved_in <= t for t in range(rounds)] for d in dialogues], float)
    shared = {"benchmark": ALL, "n_problems": len(dialogues), "n_samples": 1, "seed": settings.seed}
    rows = []
    for t, found in enumerate(_intervals(solved, settings, True)):
        info = {"tried": sum(len(d.responses) > t for d in dialogues), "feedback": settings.feedback}
        info["out_of_room"] = sum(d.out_of_room is not None and d.out_of_room <= t for d in dialogues)
        tokens = sum(d.tokens[t] for d in dialogues if len(d.tokens) > t)
        rows.append(shared | _row("friction_accuracy", t, found, info) | {"total_tokens": tokens})
    if settings.sufficient is not None:
        first, last = solved[:, :1], solved[:, -1:]
        short = _intervals(first + (1 - first) * settings.sufficient - last, settings, False)[0]
        rows.append(shared | _row("friction", rounds - 1, short, {"sufficient": settings.sufficient}))
    return rows


def _intervals(values: np.ndarray, s: FrictionSettings, bounded: bool) -> list[Interval]:
    return interval(values, s.interval, s.confidence, s.bootstrap_draws, s.seed, bounded)


def _row(metric: str, k: int, found: Interval, info: dict[str, Any]) -> Row:
    how = {"ci_method": found.method, "n_boot": found.draws, "info_json": to_json(info)}
    return {"metric": metric, "k": k, **stable(bounds(found)), **how}


def dialogue_rows(d: Dialogue) -> list[Row]:
    """A row per round. `feedback` is what followed; `out_of_room`: there was no space for another response."""
    told = [m["content"] for m in d.messages[len(d.prompt.messages) :] if m["role"] == "user"]
    return [
        {
            "prompt_id": d.prompt.id,
            "data_source": d.prompt.source,
            "difficulty": d.prompt.difficulty,
            "round": t,
            "response": response,
            "answer": d.answers[t],
            "correct": d.solved_in == t,
            "generated_tokens": d.tokens[t],
            "feedback": told[t] if t < len(told) else None,
            "out_of_room": d.out_of_room == t + 1,
        }
        for t, response in enumerate(d.responses)
    ]
