"""The commands on what is in `results/`: explain, prune, accept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Artifact = Annotated[Path, typer.Argument(help="such as results/train/grpo/seed-0")]
Params = Annotated[
    Path | None, typer.Option("--configfile", help="parameters other than params.yaml, as for snakemake")
]


def explain(artifact: Artifact, configfile: Params = None) -> None:
    """Why an artifact would be made again: which parameter, module, input or source file changed."""
    from rlpipe.pipeline.explain import explain, planned
    from rlpipe.pipeline.provenance import artifact_of

    spec = planned(artifact, [configfile] if configfile else [])
    if spec is None:
        typer.echo(f"{artifact_of(artifact)}: not wanted; params.yaml declares no such run and seed")
        raise typer.Exit(1)
    for line in explain(spec):
        typer.echo(line)


def prune(
    delete: Annotated[bool, typer.Option("--delete", help="remove them; without it they are only listed")] = False,
    configfile: Params = None,
) -> None:
    """List the artifacts that the parameters no longer ask for, with their sizes."""
    from rlpipe.pipeline import prune as unwanted_artifacts
    from rlpipe.pipeline.explain import refresh, root_of

    refresh([configfile] if configfile else [])
    found = unwanted_artifacts.unwanted(root_of(configfile))
    for item in found:
        typer.echo(f"{item.size / 2**20:10.1f} MiB  {item.path}")
    if not found:
        typer.echo("Everything here is wanted.")
    elif delete:
        unwanted_artifacts.delete(found)
        typer.echo(f"Removed {len(found)}. DVC's cache keeps what was recorded: `dvc gc --workspace --all-commits`.")
    else:
        typer.echo(f"{len(found)} not wanted; `rlpipe prune --delete` removes them.")


def accept(
    artifacts: Annotated[
        list[Path] | None, typer.Argument(help="such as results/sft; none: every one that is here")
    ] = None,
    reason: Annotated[str, typer.Option(help="why the results cannot have changed; kept in the receipt")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    configfile: Params = None,
) -> None:
    """Let artifacts stand after a refactoring known to change nothing, and say so in their receipts."""
    from rlpipe.pipeline.accept import accept as let_stand
    from rlpipe.pipeline.explain import in_order, refresh, root_of
    from rlpipe.pipeline.provenance import artifact_of, read_spec, receipt, state
    from rlpipe.pipeline.prune import wanted
    from rlpipe.pipeline.record import record

    refresh([configfile] if configfile else [])
    named = [read_spec(artifact_of(path)) for path in artifacts or []]
    specs = in_order(spec for spec in named if spec is not None) if artifacts else wanted(root_of(configfile))
    stale = [spec for spec in specs if state(spec.path, spec.key) == "absent" and receipt(spec.path)]
    if not stale:
        typer.echo("There is nothing to accept: nothing that is here would be made again.")
        return
    typer.echo("To be accepted as they are:\n" + "\n".join(f"  {spec.path}" for spec in stale))
    if not yes:
        typer.confirm("Would they come out the same?", abort=True)
    for spec in stale:
        for line in let_stand(spec, reason):
            typer.echo(f"{spec.path}: {line}")
    record(stale, workflow=configfile is None)
