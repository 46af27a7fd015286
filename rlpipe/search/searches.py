"""Searches of many prompts by many methods: a row of search/1 for each, with all that was found and what it cost.

Whole samples come first, as their length in steps says when a stepwise search has to end. Every chunk of prompts is a part
in the scratch folder, so that a killed stage goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from rlpipe import artifacts, models
from rlpipe.engine.batched import Remembering, together
from rlpipe.engine.protocol import Engine
from rlpipe.evaluate.metric_row import Row
from rlpipe.progress import progress
from rlpipe.search.metrics import SEARCH
from rlpipe.search.particle_filter import Filter
from rlpipe.search.particles import SearchSettings
from rlpipe.search.scorers import scorer
from rlpipe.search.settings import FILTERS, SAMPLED, SCORERS, SearchStageSettings
from rlpipe.search.strategies import SearchResult, aggregate, search
from rlpipe.types import Prompt, Verdict
from rlpipe.verifiers.answer import EVALUATION
from rlpipe.verifiers.verify import verify

ALIVE = 256  # searches under way at a time


class Searcher:
    """Runs the searches of one policy. `tokenizer` turns ids into text and says which tokens end a step."""

    def __init__(
        self,
        engine: Engine,
        tokenizer: Any,
        settings: SearchStageSettings,
        environment: Mapping[str, Any] | None = None,
    ):
        self.engine, self.tokenizer, self.settings = Remembering(engine), tokenizer, settings
        self.environment = environment or {}
        self.separators = separator_ids(tokenizer, settings.separators)
        self.texts: dict[tuple[int, ...], str] = {}
        self.verdicts: dict[tuple[str, str], Verdict] = {}
        self.score = scorer(settings.scorer, self.verify)

    def decode(self, ids: Sequence[int]) -> str:
        key = tuple(ids)
        if key not in self.texts:
            self.texts[key] = self.tokenizer.decode(list(key))
        return self.texts[key]

    def verify(self, prompt: Prompt, text: str) -> Verdict:
        key = (prompt.id, text)
        if key not in self.verdicts:
            opened = models.opened(self.tokenizer, self.engine.encode(prompt.messages))
            self.verdicts[key] = verify(prompt, opened + text, EVALUATION)
        return self.verdicts[key]

    def rows(self, prompts: Sequence[Prompt], methods: Sequence[str], max_steps: int | None) -> list[Row]:
        """A row for every prompt, method, size and repeat."""
        s = self.settings
        todo = [(m, n, r, p) for m in methods for n in reversed(s.sizes(m)) for r in range(s.repeats) for p in prompts]
        results: list[SearchResult] = []
        for start in range(0, len(todo), ALIVE):
            part = todo[start : start + ALIVE]
            results += together([self._search(*each, self._how(each[2], max_steps)) for each in part])
        rows = [self._row(each, found, max_steps) for each, found in zip(todo, results, strict=True)]
        for memory in (self.engine.known, self.texts, self.verdicts):
            memory.clear()
        return rows

    def _how(self, repeat: int, max_steps: int | None) -> SearchSettings:
        s = self.settings
        return SearchSettings(
            max_new_tokens=s.max_new_tokens,
            step_tokens=s.step_tokens,
            max_steps=max_steps or s.max_new_tokens,
            separators=self.separators,
            temperature=s.temperature,
            weight=s.weight,
            aggregate=s.aggregate,
            width=s.width,
            seed=repeat_seed(s.seed, repeat),
            environment=self.environment,
        )

    async def _search(self, method: str, size: int, repeat: int, prompt: Prompt, how: SearchSettings) -> SearchResult:
        return await search(resolve(method), self.engine, self.decode, prompt, self.score, self.verify, how, size)

    def _row(self, asked: tuple[str, int, int, Prompt], found: SearchResult, max_steps: int | None) -> Row:
        method, size, repeat, prompt = asked
        s, particles = self.settings, found.particles
        scored = method != "self_consistency"
        shared = {"temperature": s.temperature, "max_new_tokens": s.max_new_tokens, "aggregate": s.aggregate}
        steps = {"step_tokens": s.step_tokens, "separators": s.separators, "max_steps": max_steps}
        steps |= {"weight": s.weight, "width": s.width}
        return {
            "prompt_id": prompt.id,
            "data_source": prompt.source,
            "difficulty": prompt.difficulty,
            "method": found.method,
            "size": size,
            "repeat": repeat,
            "scorer": SCORERS[s.scorer] if scored else "none",
            "selected": found.selected,
            "oracle": found.oracle,
            "majority": found.majority,
            "answer": found.answer,
            "response": particles[found.chosen].text,
            "generated_tokens": found.cost.generated,
            "drawn_tokens": found.cost.drawn,
            "scorer_calls": found.cost.scorer_calls,
            "nan_scores": found.cost.nan_scores,
            "steps": max(self._steps(p.ids) if method in SAMPLED else len(p.steps) for p in particles),
            "chosen": found.chosen,
            "answers": list(found.answers),
            "correct": list(found.correct),
            "lengths": [len(p.ids) for p in particles],
            "truncated": [p.truncated for p in particles],
            "scores": [aggregate(p.scores, s.aggregate if method in SAMPLED else "last") for p in particles]
            if scored
            else None,
            "seed": s.seed,
            "settings_json": json.dumps(shared | ({} if method in SAMPLED else steps), sort_keys=True),
        }

    def _steps(self, ids: Sequence[int]) -> int:
        """Steps in which a stepwise search would write a whole sample: to a separator, or `step_tokens` tokens."""
        count, length = 0, 0
        for token in ids:
            length += 1
            if token in self.separators or length == self.settings.step_tokens:
                count, length = count + 1, 0
        return count + (length > 0)


def write_searches(
    prompts: Sequence[Prompt],
    engine: Engine,
    tokenizer: Any,
    settings: SearchStageSettings,
    who: Row,
    path: Path,
    scratch: Path,
    environment: Mapping[str, Any] | None = None,
) -> None:
    """Search every prompt by every method into the table `path` (search/1). `who`: run_id, model_id, policy_step.

    Raises: ValueError for no prompts, a separator that no token is, or a stepwise search of conversations.
    """
    if environment and (stepwise := [m for m in settings.every_method if m not in SAMPLED]):
        raise ValueError(f"search: {', '.join(stepwise)} grow one turn step by step; with an environment use {SAMPLED}")
    if not prompts:
        raise ValueError("search: there are no prompts to search; check `search.split` and `search.limit`")
    scratch.mkdir(parents=True, exist_ok=True)
    searcher, every = Searcher(engine, tokenizer, settings, environment), settings.every_method
    sampled = [m for m in every if m in SAMPLED]
    stepwise = [m for m in every if m not in SAMPLED]
    with progress(len(prompts) * (2 if stepwise else 1), f"search {who['run_id']}") as reporter:
        done = partial(_parts, prompts, settings.prompts_at_once, scratch, who, reporter.advance)
        parts = list(done("samples", lambda chunk: searcher.rows(chunk, sampled, None)))
        if stepwise:
            last = settings.max_steps or max(int(pl.read_parquet(p, columns=["steps"]).max().item()) for p in parts)
            parts += done("steps", lambda chunk: searcher.rows(chunk, stepwise, last))
    with artifacts.TableWriter(path, SEARCH) as writer:
        for part in parts:
            writer.write(artifacts.pq.read_table(part))
    for part in parts:
        part.unlink()


def _parts(
    prompts: Sequence[Prompt],
    size: int,
    scratch: Path,
    who: Row,
    advance: Callable[[int], None],
    name: str,
    rows: Callable[[Sequence[Prompt]], list[Row]],
) -> Iterator[Path]:
    """The table of every chunk of prompts, made unless an earlier process made it."""
    for number, start in enumerate(range(0, len(prompts), size)):
        part, chunk = scratch / f"{name}-{number:06d}.parquet", prompts[start : start + size]
        if not part.exists():
            artifacts.write(part, SEARCH, [who | row for row in rows(chunk)])
        advance(len(chunk))
        yield part


def resolve(name: str) -> str | Filter:
    """A method of the settings as `search` takes it: `epf_base+apf` is a filter with look-ahead."""
    base, _, mode = name.partition("+")
    if base not in FILTERS or name in ("pf_prefix", "epf"):
        return name
    annealing: Any = None if base == "pf_prefix" else base.partition("_")[2] or "ess"
    return Filter("systematic" if annealing else "multinomial", annealing, lookahead=mode or None)  # type: ignore[arg-type]


def separator_ids(tokenizer: Any, separators: Sequence[str]) -> frozenset[int]:
    """Ids of tokens that end a step. A separator of white space matches every token that holds it, another its own token.

    Raises: ValueError for a separator that no token is: a search would never see it.
    """
    texts = {i: tokenizer.decode([i]) for i in sorted(tokenizer.get_vocab().values())} if separators else {}
    found: set[int] = set()
    for separator in separators:
        word = separator.strip()
        ids = {i for i, text in texts.items() if (text.strip() == word if word else separator in text)}
        if not separator or not ids:
            raise ValueError(
                f"search.separators holds {separator!r}, and no token of the tokenizer is that; name tokens of the policy, or "
                f"none for steps of `step_tokens` tokens"
            )
        found |= ids
    return frozenset(found)


def repeat_seed(seed: int, repeat: int) -> int:
    """Seed of a repeat. Seeds next to each other are taken: a filter resamples with the one above its own."""
    return 1000 * seed + 2 * repeat
