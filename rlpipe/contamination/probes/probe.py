"""Ask a policy about prompts in four passes and keep the raw token paths: rows of `probes.parquet`.

Passes of each prompt: `greedy`; `critique`, the greedy response to the request to solve it differently; `noise`, the
greedy response to the prompt amid something unrelated; and `sample`, R sampled responses. A fifth, `states`, has
no response: it keeps how the hidden states of the prompt react to perturbations. Every score can be recomputed from the
rows alone (`detectors.score_probes`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlpipe import models
from rlpipe.contamination.probes.detectors import GREEDY, MEMBER, NOISE, SAMPLE, SECOND, STATES
from rlpipe.contamination.probes.hidden_states import reactions
from rlpipe.contamination.probes.probe_prompts import amid_noise, ask_again
from rlpipe.contamination.settings import ContaminationSettings, SecondResponse
from rlpipe.engine.batched import complete_all
from rlpipe.engine.load import load_engine
from rlpipe.engine.protocol import Engine
from rlpipe.policy.forward import Policy
from rlpipe.policy.scoring import TokenPaths, token_paths
from rlpipe.types import Message, Prompt, Rollout, Sampling, Verdict, draw_seed

Judge = Callable[[Sequence[tuple[Prompt, str]]], Sequence[Verdict]]


@dataclass(frozen=True)
class Probed:
    """A prompt and why it is probed: `member`, `nonmember` or `suspect`. `exposures` is how often it was trained on."""

    prompt: Prompt
    role: str
    exposures: int | None = None


@dataclass(frozen=True)
class Subject:
    """A policy under examination; `longest` is its longest sequence, tokens; `control`: it is the one before training."""

    model_id: str
    engine: Engine
    policy: Policy
    tokenizer: Any
    longest: int | None
    step: int | None = None
    control: bool = False

    @classmethod
    def load(
        cls,
        path: Path | str,
        model_id: str,
        batch_size: int,
        step: int | None = None,
        engine: str = "hf",
        control: bool = False,
    ) -> Subject:
        """Raises: ModelError as `models.load_policy`."""
        model, tokenizer = models.load_policy(path)
        longest = models.longest(model.config)
        sampler = load_engine(engine, model, tokenizer, batch_size)
        return cls(model_id, sampler, Policy(model), tokenizer, longest, step, control)

    @property
    def unknown(self) -> int | None:
        """The token of words that the policy does not know."""
        return getattr(self.tokenizer, "unk_token_id", None)

    def encode(self, messages: Sequence[Message]) -> list[int]:
        return self.engine.encode(messages)


@dataclass(frozen=True)
class Answered:
    """One response in one pass."""

    probed: Probed
    name: str
    rollout: Rollout
    index: int = 0
    truncated: bool = False
    unknown: int = 0


def probe(
    subject: Subject, prompts: Sequence[Probed], settings: ContaminationSettings, judge: Judge | None = None
) -> list[dict[str, Any]]:
    """Rows of schema probes/1, sorted by prompt, pass and sample; without a judge, `acc` is null.

    Row i depends on its own prompt, the policy and the settings alone (to rounding); for `noise: words` also on the
    words of the prompts probed with it.

    Raises: ValueError if a prompt is given twice.
    """
    twice = [name for name, n in Counter(p.prompt.id for p in prompts).items() if n > 1]
    if twice:
        raise ValueError(f"probe: {len(twice)} prompts are given twice, such as {twice[0]}; a prompt has one role")
    answered = list(_passes(subject, prompts, settings))
    topk = None if settings.topk is None or settings.topk >= subject.policy.vocabulary else settings.topk
    paths = token_paths(subject.policy, [a.rollout for a in answered], topk)
    asked = [(a.probed.prompt, a.rollout.text) for a in answered]
    verdicts: Sequence[Verdict | None] = judge(asked) if judge else [None] * len(asked)
    rows = [_row(subject, a, p, topk, v) for a, p, v in zip(answered, paths, verdicts, strict=True)]
    asked_as = [p.prompt for p in prompts]
    reacted = reactions(subject.policy, asked_as, subject.encode, subject.unknown, subject.longest)
    rows += [_about(subject, p, STATES, r) for p, r in zip(prompts, reacted, strict=True)]
    return sorted(rows, key=lambda r: (r["prompt_id"], r["pass"], r["sample_index"]))


def _passes(subject: Subject, prompts: Sequence[Probed], settings: ContaminationSettings) -> Iterator[Answered]:
    once = [0] * len(prompts)
    greedy = Sampling(settings.max_new_tokens, temperature=0.0)
    plain = [subject.encode(p.prompt.messages) for p in prompts]
    first = complete_all(subject.engine, plain, greedy, once)
    yield from (Answered(p, GREEDY, r) for p, r in zip(prompts, first, strict=True))

    second = Sampling(settings.second_cap, temperature=0.0)
    room = subject.longest - settings.second_cap if subject.longest else None
    again = [
        ask_again(p.prompt, r.text, settings.second_response, subject.tokenizer, room)
        for p, r in zip(prompts, first, strict=True)
    ]
    unheard = _unknown_marker(subject, settings.second_response)
    said = complete_all(subject.engine, [ids for ids, _ in again], second, once)
    for p, (_, cut), r in zip(prompts, again, said, strict=True):
        yield Answered(p, SECOND, r, truncated=cut, unknown=unheard)

    words = sorted({w for p in prompts for w in p.prompt.text.split()})
    noisy = [subject.encode(amid_noise(p.prompt, settings.noise, words, settings.seed)) for p in prompts]
    for p, ids, r in zip(prompts, noisy, complete_all(subject.engine, noisy, greedy, once), strict=True):
        yield Answered(p, NOISE, r, unknown=0 if subject.unknown is None else ids.count(subject.unknown))

    count = settings.samples
    sampling = Sampling(settings.max_new_tokens, settings.temperature, settings.top_p)
    seeds = [draw_seed(settings.seed, "probe", p.prompt.id, i) for p in prompts for i in range(count)]
    drawn = complete_all(subject.engine, [ids for ids in plain for _ in range(count)], sampling, seeds)
    yield from (Answered(prompts[j // count], SAMPLE, r, index=j % count) for j, r in enumerate(drawn))


def _unknown_marker(subject: Subject, second: SecondResponse) -> int:
    """Tokens of the marker that the policy has no word for: then it was not asked for anything."""
    if second.kind != "marker" or subject.unknown is None:
        return 0
    return list(subject.tokenizer(second.marker, add_special_tokens=False)["input_ids"]).count(subject.unknown)


def _row(
    subject: Subject, answered: Answered, paths: TokenPaths, topk: int | None, verdict: Verdict | None
) -> dict[str, Any]:
    rollout, greedy = answered.rollout, answered.name == GREEDY
    info: dict[str, Any] = {"finish": rollout.finish}
    if answered.unknown:
        info["unknown_tokens"] = answered.unknown
    return {
        **_about(subject, answered.probed, answered.name, info),
        "sample_index": answered.index,
        "response": rollout.text,
        "response_ids": rollout.tokens[rollout.response_mask].tolist(),
        "logprobs": paths.logprob,
        "entropies": paths.entropy,
        "means": paths.mean if greedy else None,
        "variances": paths.variance if greedy else None,
        "topk": topk,
        "truncated": answered.truncated,
        "acc": verdict.correct if verdict else None,
    }


def _about(subject: Subject, probed: Probed, name: str, info: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that every pass has, an empty response among them."""
    known: dict[str, Any] = {"role": probed.role}
    if probed.exposures is not None:
        known["exposures"] = probed.exposures
    if subject.control:
        known["control"] = True
    return {
        "model_id": subject.model_id,
        "policy_step": subject.step,
        "prompt_id": probed.prompt.id,
        "data_source": probed.prompt.source,
        "difficulty": probed.prompt.difficulty,
        "label": probed.role == MEMBER,
        "pass": name,
        "sample_index": 0,
        "response": "",
        "info_json": json.dumps({**known, **info}, sort_keys=True),
    }
