"""Examinations of what no run of ours made: of any Hugging Face model, and of any two files of prompts.

`members` are prompts suspected to have been trained on, `nonmembers` prompts of the same kind that cannot have been
(made after the training data was collected). They are not matched here: prompts that differ by more than training give
an AUC of their own, which only a control, the model before reinforcement learning, can show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from rlpipe import artifacts
from rlpipe.contamination.clean_score import clean_rows
from rlpipe.contamination.drift.frozen_sets import frozen_set
from rlpipe.contamination.examine import Examination, Plan, examine, verdicts, write
from rlpipe.contamination.overlap_table import write_overlap
from rlpipe.contamination.probes.detectors import MEMBER, NONMEMBER
from rlpipe.contamination.probes.probe import Probed, Subject
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.contamination.verdict import Copies, Evidence, Verdict, verdict
from rlpipe.curate.files.texts import TextFile
from rlpipe.evaluate.metric_row import Row
from rlpipe.overlap.paraphrase.search import ParaphraseSearch
from rlpipe.prompts import at_most, by_hash
from rlpipe.types import Prompt
from rlpipe.verifiers.verify import verify_many

CONTROL = "control"


def sample(prompts: Sequence[Prompt], settings: ContaminationSettings, role: str) -> list[Prompt]:
    """At most `settings.prompts_per_class` prompts of each source, chosen by hash, sorted by id."""
    chosen = at_most(settings.prompts_per_class, by_hash(prompts, role, settings.seed), lambda p: p.source)
    return sorted(chosen, key=lambda p: p.id)


def probe_model(
    model_path: Path | str,
    members: Sequence[Prompt],
    nonmembers: Sequence[Prompt],
    out: Path,
    settings: ContaminationSettings,
    control_path: Path | str | None = None,
) -> tuple[Examination, list[Verdict]]:
    """Probe a model; `probes.parquet` and `metrics.parquet` under `out`. `control_path`: the same model before RL.

    Returns: what was found, and the verdict on each data source among the members.
    Raises: ModelError for an unusable model.
    """
    model_id = Path(model_path).name
    before = str(control_path) if control_path else None
    plan = Plan(
        run_id=model_id,
        subject=lambda: Subject.load(model_path, model_id, settings.batch_size, engine=settings.engine),
        control=(lambda: Subject.load(str(before), CONTROL, settings.batch_size, engine=settings.engine, control=True))
        if before
        else None,
        probed=[*(Probed(p, MEMBER) for p in members), *(Probed(p, NONMEMBER) for p in nonmembers)],
        benchmark=members[: settings.completion.limit],
        watched=frozen_set(nonmembers, settings.drift, settings.seed) if before else (),
        judge=verify_many,
    )
    found = examine(plan, settings)
    write(out, found)
    return found, verdicts(found, None, sorted({p.source for p in members}), settings, role=MEMBER)


def compare_texts(
    train: TextFile,
    evaluation: TextFile,
    out: Path,
    settings: ContaminationSettings,
    paraphrases: ParaphraseSearch | None = None,
) -> list[Verdict]:
    """Compare two files of prompts; `overlap.parquet` under `out`. Returns: the verdict on each evaluation set.

    Without a probe none can be better than unknown.
    """

    def decide(found: Mapping[str, Copies]) -> list[Verdict]:
        return [verdict(Evidence(name, copies), settings) for name, copies in sorted(found.items())]

    return write_overlap([train], [evaluation], out, settings.overlap, None, decide, paraphrases)


def score_clean(samples: Path, evaluation: TextFile, out: Path, settings: ContaminationSettings) -> list[Row]:
    """Scores of rollouts on the clean prompts beside those on all; `metrics.parquet` by the `overlap.parquet` under `out`."""
    overlap, s = artifacts.read(out / "overlap.parquet", artifacts.CONTAMINATION), settings
    rows = clean_rows(samples, overlap, evaluation, s.confidence, s.bootstrap_draws, s.seed)
    artifacts.write(out / "metrics.parquet", artifacts.EVAL, rows)
    return rows


def mismatch(members: Sequence[Prompt], nonmembers: Sequence[Prompt]) -> float:
    """Share of the prompts that would have to change source or level for the two to have the same mix."""
    mixes = [Counter((p.source, p.difficulty) for p in prompts) for prompts in (members, nonmembers)]
    shares = [{key: n / sum(mix.values()) for key, n in mix.items()} for mix in mixes]
    return sum(abs(shares[0].get(k, 0) - shares[1].get(k, 0)) for k in set(shares[0]) | set(shares[1])) / 2
