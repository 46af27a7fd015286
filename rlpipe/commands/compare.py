"""The commands that read rollouts alone: two policies against each other, and diversity. Registered by `app`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlpipe.commands.data import Set, assignments

if TYPE_CHECKING:
    from rlpipe.statistics.paired import Paired


def compare(
    base: Annotated[list[Path], typer.Option(help="rollouts/1 of the policy before; repeat for seeds")],
    trained: Annotated[list[Path], typer.Option(help="rollouts/1 of the policy after; repeat for seeds")],
    traces: Annotated[
        Path | None, typer.Option(help="solutions neither wrote, rollouts/1 (its correct ones) or demonstrations/1")
    ] = None,
    base_model: Annotated[Path | None, typer.Option(help="with --traces: Hugging Face directory before")] = None,
    trained_model: Annotated[Path | None, typer.Option(help="with --traces: Hugging Face directory after")] = None,
    out: Annotated[Path, typer.Option("--out", help="folder for metrics.parquet")] = Path("comparison"),
    set_: Set = None,
) -> None:
    """Two policies on the same prompts: differences with p-values, support, crossover, noise, perplexity of traces."""
    from rlpipe.commands.compare_files import compare_files
    from rlpipe.evaluate.settings import EvaluateSettings

    settings = EvaluateSettings.model_validate(assignments(set_ or []))
    compare_files(base, trained, out, settings, perplexities(traces, base_model, trained_model, settings.threads))


def diversity(
    rollouts: Annotated[Path, typer.Option(help="rollouts/1, of any number of policies")],
    embed: Annotated[
        Path | None, typer.Option(help="Hugging Face model whose mean hidden states embed responses")
    ] = None,
    order: Annotated[list[float] | None, typer.Option(help="order q of the Vendi score; repeat; inf is one")] = None,
    samples: Annotated[int, typer.Option(help="samples of each prompt, those of lowest index")] = 32,
    out: Annotated[Path, typer.Option("--out", help="folder for metrics.parquet")] = Path("diversity"),
    set_: Set = None,
) -> None:
    """Vendi scores, distinct and expected distinct n-grams, self-BLEU and answer entropies of rollouts, with intervals."""
    from rlpipe.commands.diversity import diversity_of_rollouts
    from rlpipe.evaluate.settings import EvaluateSettings
    from rlpipe.overlap.embed import embedder

    settings = EvaluateSettings.model_validate(assignments(set_ or []))
    vectors, vocabulary = embedder(embed) if embed else (None, None)
    orders = order or (0.5, 1.0, 2.0, float("inf"))
    diversity_of_rollouts(rollouts, out, settings, orders, samples, vectors, vocabulary)


def perplexities(traces: Path | None, base: Path | None, trained: Path | None, threads: int) -> Paired | None:
    """The change of log-perplexity on the traces, if any are named."""
    if traces is None and base is None and trained is None:
        return None
    if traces is None or base is None or trained is None:
        raise ValueError("--traces, --base-model and --trained-model go together")
    import torch

    from rlpipe import models
    from rlpipe.evaluate.compare.perplexity import encode_traces, narrowing, read_traces
    from rlpipe.policy.forward import Policy

    found = read_traces(traces)
    torch.set_num_threads(threads)
    (before, tokenizer), (after, _) = models.load_policy(base), models.load_policy(trained)
    return narrowing(Policy(before), Policy(after), encode_traces(tokenizer, found))
