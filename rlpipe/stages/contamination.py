"""Stage contamination: what a run's policy shows of the prompts it was trained on, and whether benchmarks are clean."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rlpipe.contamination.console import show
from rlpipe.contamination.drift.frozen_sets import frozen_set
from rlpipe.contamination.examine import Load, Plan, examine, verdicts, write
from rlpipe.contamination.members.membership import Trained, match, suspects
from rlpipe.contamination.overlap_table import write_overlap
from rlpipe.contamination.probes.detectors import NONMEMBER
from rlpipe.contamination.probes.probe import Probed, Subject
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.curate.files.texts import TextFile
from rlpipe.curricula.plant import choose_twins
from rlpipe.pipeline.stage import Context
from rlpipe.prompts import load_prompts
from rlpipe.verifiers.verify import verify_many

WARM_UP = "sft"


def main(ctx: Context) -> None:
    """`overlap.parquet` (pairs, summaries, verdicts), `probes.parquet` and `metrics.parquet` of a run."""
    settings = ContaminationSettings.model_validate(ctx.params["contamination"])
    run, seed = ctx.wildcards["run"], int(ctx.wildcards["seed"])
    declared = ctx.params.get("runs", {}).get(run) or {}
    plant = declared.get("plant")
    prompts, trained = ctx.inputs["curate"] / "prompts.parquet", ctx.inputs[f"train/{run}/seed-{seed}"]
    benchmark = load_prompts(prompts, settings.benchmark_split)
    met = Trained.of(trained / "rollouts.parquet")
    probed = population(prompts, met, plant, seed, settings)
    nonmembers = [p.prompt for p in probed if p.role == NONMEMBER]
    asked = suspects(benchmark, nonmembers, settings.benchmark_prompts, settings.seed)
    plan = Plan(
        f"{run}/seed-{seed}",
        subject=lambda: Subject.load(
            trained / "policy", f"{run}/seed-{seed}", settings.batch_size, met.steps, settings.engine
        ),
        control=lambda: Subject.load(
            ctx.inputs["sft"] / "policy", WARM_UP, settings.batch_size, engine=settings.engine, control=True
        ),
        probed=[*probed, *asked],
        benchmark=[p.prompt for p in suspects(benchmark, benchmark, settings.completion.limit, settings.seed)],
        watched=frozen_set(benchmark, settings.drift, settings.seed),
        checkpoints=checkpoints(trained, f"{run}/seed-{seed}", settings.batch_size, settings.engine),
        judge=verify_many,
        facts={f"plant_{k}": v for k, v in (plant or {}).items()},
    )
    found = examine(plan, settings)
    write(ctx.out, found)
    splits = ("demonstration", declared.get("split", "train"), *((settings.nonmember_split,) if plant else ()))
    sources = sorted({p.source for p in benchmark})
    decided = write_overlap(
        [TextFile(prompts, splits)],
        [TextFile(prompts, (settings.benchmark_split,))],
        ctx.out,
        settings.overlap,
        plan.run_id,
        lambda copies: verdicts(found, copies, sources, settings),
    )
    show(found.metrics, decided)


def checkpoints(trained: Path, model_id: str, batch_size: int, engine: str) -> list[Load]:
    """The policies that a train artifact kept on the way, in the order of their steps."""
    steps = sorted(int(path.name.removeprefix("step-")) for path in (trained / "snapshots").glob("step-*"))
    return [partial(Subject.load, trained / "snapshots" / f"step-{n}", model_id, batch_size, n, engine) for n in steps]


def population(
    prompts: Path, met: Trained, plant: Mapping[str, Any] | None, seed: int, settings: ContaminationSettings
) -> list[Probed]:
    """Members and matched non-members: of a planted run those chosen for it, else what it was trained on.

    The clean twin of a planted run (`epochs: 0`) has the same two halves, and neither was ever trained on. All members
    of planted runs are probed, so that the runs of a seed are asked the same prompts.
    """
    limit = settings.prompts_per_class
    held_out = load_prompts(prompts, settings.nonmember_split)
    if plant:
        members, nonmembers = choose_twins(held_out, plant["members"], seed)
        limit = max(limit, plant["members"])
    else:
        members = [p for p in load_prompts(prompts) if p.id in met.exposures]
        nonmembers = [p for p in held_out if p.id not in met.exposures]
    return match(members, nonmembers, met.exposures, limit, settings.seed)
