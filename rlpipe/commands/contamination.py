"""`rlpipe contamination`: of any Hugging Face model, and of any two files of prompts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlpipe.commands.opener import DataSource, Set, assignments, read_prompts

if TYPE_CHECKING:
    from rlpipe.contamination.settings import ContaminationSettings
    from rlpipe.contamination.verdict import Verdict
    from rlpipe.curate.files.texts import TextFile
    from rlpipe.overlap.thresholds import Paraphrases
    from rlpipe.types import Prompt


def contamination(
    model: Annotated[Path | None, typer.Option(help="Hugging Face directory, to be probed")] = None,
    members: Annotated[Path | None, typer.Option(help="prompts suspected of having been trained on")] = None,
    nonmembers: Annotated[Path | None, typer.Option(help="prompts of the same distribution, never trained on")] = None,
    control: Annotated[Path | None, typer.Option(help="the same model before RL")] = None,
    train: Annotated[Path | None, typer.Option(help="training prompts, to compare with --eval")] = None,
    eval_: Annotated[Path | None, typer.Option("--eval", help="evaluation prompts")] = None,
    samples: Annotated[
        Path | None, typer.Option(help="rollouts/1 on the evaluation prompts: their score on the clean ones is added")
    ] = None,
    embed: Annotated[
        str | None, typer.Option(help="with --train: Hugging Face model, to look for paraphrases by its embeddings")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(help="with --embed: causal LM that is asked whether two prompts are one in other words"),
    ] = None,
    cosine: Annotated[
        float | None, typer.Option(help="with --embed: cosine from which a pair counts (0.8); depends on the model")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="folder for the artifacts")] = Path("contamination"),
    data_source: DataSource = None,
    set_: Set = None,
) -> None:
    """Probe a model for prompts it was trained on, or compare two files of prompts; a verdict with reasons."""
    from rlpipe.contamination.settings import ContaminationSettings

    settings = ContaminationSettings.model_validate(assignments(set_ or []))
    paraphrases = _paraphrases(embed, judge, cosine)
    if paraphrases and not (train and eval_):
        raise ValueError(f"--embed {embed}: only with --train and --eval, whose texts it compares")
    if samples and not (train and eval_):
        raise ValueError(f"--samples {samples}: only with --train and --eval, which say what of it is clean")
    if model and members and nonmembers:
        contamination_model(model, members, nonmembers, out, settings, control, data_source)
    elif train and eval_:
        contamination_overlap(train, eval_, out, settings, samples, paraphrases)
    else:
        raise ValueError("give --model, --members and --nonmembers, or --train and --eval")


def _paraphrases(embed: str | None, judge: str | None, cosine: float | None) -> Paraphrases | None:
    """The settings of the comparison by embeddings, if a model is named."""
    from rlpipe.overlap.thresholds import Paraphrases

    given = {name: value for name, value in (("judge", judge), ("threshold", cosine)) if value is not None}
    if embed is None and given:
        raise ValueError("--judge and --cosine go with --embed, the model that finds the pairs")
    return None if embed is None else Paraphrases.model_validate({"model": embed, **given})


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
    from rlpipe.contamination.console import show
    from rlpipe.contamination.outside import probe_model, sample

    files = ((members_path, "member"), (nonmembers_path, "nonmember"))
    members, nonmembers = (
        sample(read_prompts(path, None, data_source=data_source)[0], settings, role) for path, role in files
    )
    shared = {p.id for p in members} & {p.id for p in nonmembers}
    if shared:
        raise ValueError(
            f"{members_path} and {nonmembers_path} share {len(shared)} prompts, such as {min(shared)}; a prompt cannot be "
            f"both suspected and clean"
        )
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    found, decided = probe_model(model_path, members, nonmembers, out, settings, control_path)
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
    from rlpipe.contamination.console import clean_table, verdict_table, wide_console
    from rlpipe.contamination.outside import compare_texts, score_clean
    from rlpipe.overlap.paraphrase.search import ParaphraseSearch

    search = None if paraphrases is None else ParaphraseSearch.load(paraphrases)
    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        train, evaluation = (_texts(Path(p), Path(folder) / n) for p, n in ((train_path, "train"), (eval_path, "eval")))
        decided = compare_texts(train, evaluation, out, settings, search)
        wide_console().print(verdict_table(decided))
        if search is not None:
            _say_paraphrases(out / "overlap.parquet")
        if samples_path is not None:
            wide_console().print(clean_table(score_clean(Path(samples_path), evaluation, out, settings)))
    return decided


def _say_paraphrases(overlap: Path) -> None:
    """A line per evaluation set."""
    from rlpipe import artifacts
    from rlpipe.contamination.console import wide_console
    from rlpipe.overlap.pair_rows import in_words

    columns = ["record_type", "eval_set", "info_json"]
    for kind, name, info in artifacts.read(overlap, artifacts.CONTAMINATION, columns).iter_rows():
        if kind == "summary":
            wide_console().print(f"{name}: {in_words(json.loads(info)['embedding'])}", markup=False)


def _texts(path: Path, name: Path) -> TextFile:
    """A Parquet file as it is; any other, and files of a folder or pattern, as prompts/1 under `name`;
    what is left out of them is said."""
    from rlpipe.curate.files.importing import import_prompts
    from rlpipe.curate.files.texts import TextFile

    if path.suffix == ".parquet" and path.is_file():
        return TextFile(path)
    ours = name.with_suffix(".parquet")
    report = import_prompts(path, ours, data_source=path.stem)
    for line in report.losses():
        typer.echo(f"{path}:{line}")
    return TextFile(ours)


def _say_differences(members: Sequence[Prompt], nonmembers: Sequence[Prompt]) -> None:
    """A caution where the two files differ in sources or levels."""
    from rlpipe.contamination.console import wide_console
    from rlpipe.contamination.outside import mismatch

    apart = mismatch(members, nonmembers)
    if apart > 0.1:
        wide_console().print(
            f"Caution: {apart:.0%} of the prompts would have to change source or level for the two files to match; an AUC "
            f"off 0.5 may show that difference. Compare with a control model.",
            style="yellow",
        )
