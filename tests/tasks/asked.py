"""Problems as prompts, for the tests of the task families."""

from __future__ import annotations

from rlpipe.tasks.problem import Problem
from rlpipe.types import Prompt


def prompt_of(problem: Problem, source: str) -> Prompt:
    return Prompt(
        id=problem.key,
        messages=({"role": "user", "content": problem.text},),
        answer=problem.answer,
        source=source,
        difficulty=problem.level,
    )
