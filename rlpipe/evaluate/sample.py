"""n rollouts of every prompt, verified, as rows of rollouts/1; written in parts, so a killed evaluation goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rlpipe import artifacts
from rlpipe.engine.batched import together
from rlpipe.engine.protocol import Engine
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.progress import Reporter, progress
from rlpipe.samplers.independent import independent
from rlpipe.samplers.rollout_rows import prompt_columns, rollout_columns, sampling_json, verdict_columns
from rlpipe.types import Plan, Prompt, Sampling
from rlpipe.verifiers.answer import EVALUATION
from rlpipe.verifiers.cross_check import cross_check
from rlpipe.verifiers.error_rate import ErrorRate
from rlpipe.verifiers.verify import verify_many

ROWS_PER_GROUP = 16_384


@dataclass(frozen=True)
class Subject:
    """Who is evaluated: the names and the step that its rollouts carry."""

    run_id: str
    model_id: str
    policy_step: int = 0


def sample(
    prompts: Sequence[Prompt],
    engine: Engine,
    settings: EvaluateSettings,
    subject: Subject,
    path: Path,
    scratch: Path,
    split: str | None = None,
    environment: Mapping[str, Any] | None = None,
) -> None:
    """Draw and verify `settings.samples` rollouts per prompt into the table `path`.

    Sample j of a prompt is drawn from a generator keyed by (settings.seed, prompt, j): the same random numbers for
    every policy, and the same rollouts however they are batched. Parts already in `scratch` are kept.

    `environment` are the fields of the plan that make rollouts conversations (`environments.load.environment_of`).
    Raises: VerifierFailing when the verifier errs on more answers than `settings` allow.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    errors = ErrorRate(settings.max_verifier_error_rate)
    size = max(1, settings.batch_size // settings.samples)
    chunks = [prompts[i : i + size] for i in range(0, len(prompts), size)]
    parts = [scratch / f"samples-{number:06d}.parquet" for number in range(len(chunks))]
    done = sum(len(c) * settings.samples for c, part in zip(chunks, parts, strict=True) if part.exists())
    with progress(len(prompts) * settings.samples, f"evaluate {subject.run_id}", done=done) as reporter:
        for chunk, part in zip(chunks, parts, strict=True):
            if not part.exists():
                rows = _rows(chunk, engine, settings, subject, errors, reporter, split, environment or {})
                artifacts.write(part, artifacts.ROLLOUTS, rows)
    with artifacts.TableWriter(path, artifacts.ROLLOUTS) as writer:
        for table in _joined(parts):
            writer.write(table)
    for part in parts:
        part.unlink()


def _rows(
    prompts: Sequence[Prompt],
    engine: Engine,
    settings: EvaluateSettings,
    subject: Subject,
    errors: ErrorRate,
    reporter: Reporter,
    split: str | None,
    environment: Mapping[str, Any],
) -> list[dict[str, Any]]:
    sampling = Sampling(settings.max_new_tokens, settings.temperature, settings.top_p, settings.top_k)
    plan = Plan(settings.samples, sampling, settings.seed, purpose="evaluate", **environment)
    groups = together([independent(prompts, {"policy": engine}, plan)])[0]
    owners = [(g.prompt, j) for g in groups for j in range(settings.samples)]
    rollouts = [r for g in groups for r in g.rollouts]
    verdicts = verify_many([(p, r.text) for (p, _), r in zip(owners, rollouts, strict=True)], EVALUATION)
    errors.observe(verdicts, [prompt.id for prompt, _ in owners])
    correct = sum(v.correct for v in verdicts) / len(verdicts)
    reporter.advance(len(owners), correct=correct, tokens=sum(r.response_length for r in rollouts) / len(rollouts))
    shared = asdict(subject) | {"sampling_json": sampling_json(sampling), "seed": settings.seed}
    answers = [(rollout.text, prompt.answer) for (prompt, _), rollout in zip(owners, rollouts, strict=True)]
    second = cross_check(answers, verdicts, settings.cross_check, settings.seed)
    infos = [json.dumps({"split": split} | ({"second": second[i]} if i in second else {})) for i in range(len(owners))]
    return [
        shared
        | prompt_columns(prompt, j)
        | rollout_columns(rollout)
        | {"reward": verdict.score}
        | verdict_columns(verdict)
        | {"info_json": info}
        for (prompt, j), rollout, verdict, info in zip(owners, rollouts, verdicts, infos, strict=True)
    ]


def _joined(parts: Sequence[Path]) -> Iterator[pa.Table]:
    """The parts in order, gathered into row groups worth compressing."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(pq.read_table(part))
        full = sum(t.num_rows for t in waiting) >= ROWS_PER_GROUP
        if full or sum(t.nbytes for t in waiting) >= artifacts.ROW_GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)
