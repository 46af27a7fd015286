"""Feedback Friction: how far a policy that is told what is wrong still falls short of what the feedback makes possible."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rlpipe.engine.batched import complete_all
from rlpipe.engine.protocol import Engine
from rlpipe.types import Message, Prompt, Sampling, Verdict, draw_seed

Verify = Callable[[Prompt, str], Verdict]
Feedback = Callable[[Prompt, str, Verdict, int], str]
MASK = "[masked]"
INCORRECT = "Your answer is incorrect. Try again."
ASK = """{}

A student answered:
---
{}
---
This is wrong; the correct final answer is {}. Write feedback that explains what went wrong and how to go on. Do not give \
away the correct answer."""
HEAT_PER_ROUND, HOTTEST = 0.15, 1.5


@dataclass
class Dialogue:
    """One prompt's history: the messages so far, by round its responses, answers and tokens drawn; how it ended.

    `out_of_room` is the round for which the history had grown too long.
    """

    prompt: Prompt
    messages: list[Message]
    responses: list[str] = field(default_factory=list)
    answers: list[str | None] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    solved_in: int | None = None
    out_of_room: int | None = None


@dataclass(frozen=True)
class FrictionResult:
    """`accuracy[t]` is the share of prompts solved in rounds 0..t, monotone; `generated_tokens` over all rounds."""

    accuracy: tuple[float, ...]
    dialogues: tuple[Dialogue, ...]
    generated_tokens: int

    def friction(self, sufficient: float) -> float:
        """Ceiling minus the last accuracy, with the ceiling acc_0 + (1 - acc_0) * `sufficient`.

        `sufficient` is the share of wrong items whose feedback is judged correct and sufficient.

        Raises: ValueError for a share outside [0, 1].
        Source: arXiv:2506.11930. Differs: the ceiling's exact definition is not published; this is a reconstruction.
        """
        if not 0.0 <= sufficient <= 1.0:
            raise ValueError(f"friction: sufficient = {sufficient} must lie in [0, 1]")
        first = self.accuracy[0]
        return first + (1.0 - first) * sufficient - self.accuracy[-1]


def mask_gold(text: str, gold: str) -> str:
    r"""`text` with `\boxed{gold}` and every whole-word `gold`, a choice letter too, replaced by `[masked]`.

    Case counts; a number is not masked inside a longer one ("5" in "15" or "5.2").

    Raises: ValueError for an empty gold answer.
    Source: arXiv:2506.11930.
    """
    gold = gold.strip()
    if not gold:
        raise ValueError("mask_gold: the gold answer is empty; nothing can be masked")
    escaped = re.escape(gold)
    text = re.sub(rf"\\boxed\s*\{{\s*{escaped}\s*\}}", MASK, text)
    before = r"(?<!\w)(?<!\d\.)" if gold[0].isalnum() else ""
    after = r"(?!\w)(?!\.\d)" if gold[-1].isalnum() else ""
    return re.sub(before + escaped + after, MASK, text)


def binary_feedback(prompt: Prompt, response: str, verdict: Verdict, round: int) -> str:
    """Only that the answer is wrong."""
    return INCORRECT


def self_feedback(engine: Engine, max_new_tokens: int) -> Feedback:
    """Feedback the policy writes itself, greedily, told the reference answer; what it gives away is masked later.

    Source: arXiv:2506.11930, self-generated feedback given the final answer. Differs: our wording.
    """

    def feedback(prompt: Prompt, response: str, verdict: Verdict, round: int) -> str:
        asked: Message = {"role": "user", "content": ASK.format(prompt.text, response, prompt.answer)}
        return complete_all(engine, [engine.encode([asked])], Sampling(max_new_tokens, 0.0), [0])[0].text

    return feedback


def friction(
    engine: Engine,
    prompts: Sequence[Prompt],
    verify: Verify,
    feedback: Feedback = binary_feedback,
    rounds: int = 10,
    max_new_tokens: int = 512,
    heat: bool = False,
    list_earlier: bool = False,
    tries: int = 1,
    gold: Callable[[Prompt], str] = lambda p: p.answer,
    seed: int = 0,
    room: int | None = None,
) -> FrictionResult:
    """Round 0 answers every prompt; in each of `rounds` more, those still wrong get feedback and try again.

    The whole history is appended; a solved prompt leaves the pool; feedback is asked for only when wrong and the gold
    answer in it is masked. Greedy, unless a mitigation is on: `heat` sets the temperature to 0.15 * round, at most 1.5;
    `list_earlier` adds the earlier answers to the feedback; `tries` > 1 draws up to so many responses (25 in the paper)
    and takes the first whose answer is new. A dialogue whose history leaves no space for a response in a model of `room`
    tokens leaves the pool, unsolved.

    Raises: ValueError for no prompts, rounds < 0, tries < 1, or tries > 1 without `heat`, which would repeat one text.
    Source: arXiv:2506.11930.
    """
    if not prompts or rounds < 0 or tries < 1:
        raise ValueError(
            f"friction: {len(prompts)} prompts, rounds = {rounds}, tries = {tries}; needs >= 1, >= 0, >= 1"
        )
    if tries > 1 and not heat:
        raise ValueError(f"friction: tries = {tries} at temperature 0 repeats one response; set heat = True")
    dialogues = [Dialogue(p, list(p.messages)) for p in prompts]
    accuracy, tokens = [], 0
    for t in range(rounds + 1):
        pool = [d for d in dialogues if d.solved_in is None and d.out_of_room is None]
        if room and t:
            pool = _with_room(pool, engine, room - max_new_tokens, t)
        sampling = Sampling(max_new_tokens, min(HEAT_PER_ROUND * t, HOTTEST) if heat else 0.0)
        responses = _respond(engine, pool, verify, sampling, t, tries if t else 1, seed)
        tokens += sum(d.tokens[t] for d in pool)
        for d, (response, verdict) in zip(pool, responses, strict=True):
            _record(d, response, verdict, t)
            if d.solved_in is None and t < rounds:
                told = mask_gold(feedback(d.prompt, response, verdict, t), gold(d.prompt))
                d.messages.append({"role": "user", "content": told + _earlier(d) if list_earlier else told})
        accuracy.append(sum(d.solved_in is not None for d in dialogues) / len(dialogues))
    return FrictionResult(tuple(accuracy), tuple(dialogues), tokens)


def _with_room(pool: Sequence[Dialogue], engine: Engine, longest: int, t: int) -> list[Dialogue]:
    """Those whose history has at most `longest` tokens; the others are marked."""
    kept = []
    for d in pool:
        if len(engine.encode(d.messages)) > longest:
            d.out_of_room = t
        else:
            kept.append(d)
    return kept


def _respond(
    engine: Engine, pool: Sequence[Dialogue], verify: Verify, sampling: Sampling, t: int, tries: int, seed: int
) -> list[tuple[str, Verdict]]:
    """The response of every dialogue with its verdict; the tokens drawn are noted in the dialogues."""
    found: dict[int, tuple[str, Verdict]] = {}
    waiting = list(range(len(pool)))
    for d in pool:
        d.tokens.append(0)
    for attempt in range(tries):
        if not waiting:
            break
        prefixes = [engine.encode(pool[i].messages) for i in waiting]
        seeds = [draw_seed(seed, "friction", pool[i].prompt.id, t, attempt) for i in waiting]
        for i, rollout in zip(waiting, complete_all(engine, prefixes, sampling, seeds), strict=True):
            pool[i].tokens[-1] += rollout.response_length
            found[i] = rollout.text, verify(pool[i].prompt, rollout.text)
        waiting = [i for i in waiting if tries > 1 and found[i][1].canonical in pool[i].answers]
    return [found[i] for i in range(len(pool))]


def _record(d: Dialogue, response: str, verdict: Verdict, t: int) -> None:
    d.responses.append(response)
    d.answers.append(verdict.canonical)
    d.messages.append({"role": "assistant", "content": response})
    if verdict.correct:
        d.solved_in = t


def _earlier(d: Dialogue) -> str:
    answers = sorted({a for a in d.answers if a is not None})
    return f"\nEarlier answers, all incorrect: {', '.join(answers)}." if answers else ""
