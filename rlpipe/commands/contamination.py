"""Contamination checks without the workflow: of any Hugging Face model, and of any two files of prompts.

`members` are prompts suspected to have been trained on, `nonmembers` prompts of the same kind that cannot have been
(made after the training data was collected). They are not matched here: prompts that differ by more than training give
an AUC of their own, which only a control, the model before reinforcement learning, can show.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rlpipe import artifacts
from rlpipe.artifacts import ArtifactError
from rlpipe.contamination.clean_score import clean_rows
from rlpipe.contamination.drift.frozen import frozen_set
from rlpipe.contamination.examine import Plan, examine, verdicts, write
from rlpipe.contamination.overlap import write_overlap
from rlpipe.contamination.probes.detectors import MEMBER, NONMEMBER
from rlpipe.contamination.probes.probe import Probed, Subject
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.contamination.tables import clean_table, show, verdict_table, wide_console
from rlpipe.contamination.verdict import Evidence, Verdict, verdict
from rlpipe.curate.files.importing import import_prompts
from rlpipe.curate.files.texts import TextFile
from rlpipe.overlap.paraphrases import ParaphraseSearch
from rlpipe.overlap.rows import in_words
from rlpipe.overlap.thresholds import Paraphrases
from rlpipe.prompts import load_prompts
from rlpipe.types import Prompt, draw_seed
from rlpipe.verifiers.verify import verify_many

CONTROL = "control"


def contamination_model(
    model_path: Path | str,
    members_path: Path | str,
    nonmembers_path: Path | str,
    out_dir: Path | str,
    settings: ContaminationSettings,
    control_path: Path | str | None = None,
    data_source: str | None = None,
) -> list[Verdict]:
    """Probe a model; write `probes.parquet` and `metrics.parquet` to `out_dir` and print tables.

    `control_path`: the same model before reinforcement learning. `data_source` chooses the verifier where the layout
    of a file names none. At most `settings.prompts_per_class` prompts of each source are used from each file, chosen
    by hash.

    Returns: the verdict on each data source among the members.
    Raises: ModelError for an unusable model; RowError or ArtifactError for an unusable file; ValueError if a prompt is
    in both files.
    """
    members = _sample(read_prompts(members_path, data_source), settings, "member")
    nonmembers = _sample(read_prompts(nonmembers_path, data_source), settings, "nonmember")
    shared = {p.id for p in members} & {p.id for p in nonmembers}
    if shared:
        raise ValueError(
            f"{members_path} and {nonmembers_path} share {len(shared)} prompts, such as {min(shared)}; a prompt cannot be "
            f"both suspected and clean"
        )
    model_id = Path(model_path).name
    before = str(control_path) if control_path else None
    plan = Plan(
        run_id=model_id,
        subject=lambda: Subject.load(model_path, model_id, settings.batch_size),
        control=(lambda: Subject.load(str(before), CONTROL, settings.batch_size)) if before else None,
        probed=[*(Probed(p, MEMBER) for p in members), *(Probed(p, NONMEMBER) for p in nonmembers)],
        benchmark=members[: settings.completion.limit],
        watched=frozen_set(nonmembers, settings.drift, settings.seed) if before else (),
        judge=verify_many,
    )
    found = examine(plan, settings)
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    write(out, found)
    decided = verdicts(found, None, sorted({p.source for p in members}), settings, role=MEMBER)
    show(found.metrics, decided)
    _say_differences(members, nonmembers)
    return decided


def contamination_overlap(
    train_path: Path | str,
    eval_path: Path | str,
    out_dir: Path | str,
    settings: ContaminationSettings,
    samples_path: Path | str | None = None,
    paraphrases: Paraphrases | None = None,
) -> list[Verdict]:
    """Compare two files of prompts; write `overlap.parquet` to `out_dir` and print the verdicts.

    `samples_path`: rollouts (rollouts/1) on the evaluation prompts. Their scores on the clean prompts then stand beside
    those on all, in `metrics.parquet` and in print. `paraphrases`: compare by embeddings too, with these models.

    Returns: the verdict on each evaluation set; without a probe none can be better than unknown.
    Raises: RowError or ArtifactError for a file that cannot be read, or samples of prompts that were not compared;
    ModelError for a model that cannot be loaded, before anything is read.
    """
    search = None if paraphrases is None else ParaphraseSearch.load(paraphrases)
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        train, evaluation = (_texts(Path(p), Path(folder) / n) for p, n in ((train_path, "train"), (eval_path, "eval")))
        decided = write_overlap(
            [train],
            [evaluation],
            out,
            settings.overlap,
            None,
            lambda found: [verdict(Evidence(name, c), settings) for name, c in sorted(found.items())],
            search,
        )
        wide_console().print(verdict_table(decided))
        if search is not None:
            _say_paraphrases(out / "overlap.parquet")
        if samples_path is not None:
            overlap = artifacts.read(out / "overlap.parquet", artifacts.CONTAMINATION)
            s = settings
            rows = clean_rows(Path(samples_path), overlap, evaluation, s.confidence, s.bootstrap_draws, s.seed)
            artifacts.write(out / "metrics.parquet", artifacts.EVAL, rows)
            wide_console().print(clean_table(rows))
    return decided


def _say_paraphrases(overlap: Path) -> None:
    """A line per evaluation set."""
    columns = ["record_type", "eval_set", "info_json"]
    for kind, name, info in artifacts.read(overlap, artifacts.CONTAMINATION, columns).iter_rows():
        if kind == "summary":
            wide_console().print(f"{name}: {in_words(json.loads(info)['embedding'])}", markup=False)


def read_prompts(path: Path | str, data_source: str | None = None) -> list[Prompt]:
    """The prompts of a file of any layout that `rlpipe import` reads, sorted by id, each once.

    Raises: RowError for a malformed row; ArtifactError if no prompt is left.
    """
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "prompts.parquet"
        report = import_prompts(path, ours, data_source=data_source)
        if not report.written:
            raise ArtifactError(f"{path}: no prompt can be used; left out: {dict(report.left_out)}")
        return load_prompts(ours)


def _texts(path: Path, name: Path) -> TextFile:
    """A Parquet file as it is; any other as prompts/1 under `name`."""
    if path.suffix == ".parquet":
        return TextFile(path)
    ours = name.with_suffix(".parquet")
    import_prompts(path, ours, data_source=path.stem)
    return TextFile(ours)


def _sample(prompts: Sequence[Prompt], settings: ContaminationSettings, name: str) -> list[Prompt]:
    """At most so many prompts of each source, chosen by hash, sorted by id."""
    taken: Counter[str] = Counter()
    found = []
    for prompt in sorted(prompts, key=lambda p: (draw_seed(name, settings.seed, p.id), p.id)):
        if taken[prompt.source] < settings.prompts_per_class:
            taken[prompt.source] += 1
            found.append(prompt)
    return sorted(found, key=lambda p: p.id)


def _say_differences(members: Sequence[Prompt], nonmembers: Sequence[Prompt]) -> None:
    """A caution where the two files differ in sources or levels."""
    mixes = [Counter((p.source, p.difficulty) for p in prompts) for prompts in (members, nonmembers)]
    shares = [{key: n / sum(mix.values()) for key, n in mix.items()} for mix in mixes]
    apart = sum(abs(shares[0].get(k, 0) - shares[1].get(k, 0)) for k in set(shares[0]) | set(shares[1])) / 2
    if apart > 0.1:
        wide_console().print(
            f"Caution: {apart:.0%} of the prompts would have to change source or level for the two files to match; an AUC "
            f"off 0.5 may show that difference. Compare with a control model.",
            style="yellow",
        )
