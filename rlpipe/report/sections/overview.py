"""What was run, in one paragraph and a strip of facts; every word of it follows from the artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from rlpipe import artifacts
from rlpipe.report.blocks import Html, Prose, Section
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.markup import count, escape, listing, number, run_name, seconds

ID, TITLE, SHORT = "overview", "What was run", "What was run"
WORDS = {1: "One seed", 2: "Two seeds", 3: "Three seeds", 4: "Four seeds"}
ENOUGH_SEEDS = 5


def build(data: Data) -> Section:
    """The paragraph under the title."""
    sentences = [policy(data), training(data), evaluation(data)]
    text = " ".join(sentence for sentence in sentences if sentence)
    blocks = [Prose(text or "This report has no inputs.", "lede"), Prose(caution(data), "text")]
    return Section(ID, TITLE, [block for block in blocks if block.html] + [Html(facts(data))], short=SHORT)


def policy(data: Data) -> str:
    """The model, and its warm-up."""
    n, config = data.num_parameters(), data.model_config()
    if n is None:
        return ""
    shape = ", ".join(_shape(config))
    text = f"A language model of {approximately(n)} weights{f' ({shape})' if shape else ''}"
    steps, demonstrations = data.table("sft", "metrics.parquet", artifacts.SFT_STEPS), _demonstrations(data)
    if len(steps):
        over = f" from {count(demonstrations, 'demonstration')}" if demonstrations else ""
        updates = f"{count(len(steps), 'update')} (last loss {number(steps['loss'][-1], 2)})"
        text += f" was warmed up on {_tasks(data)}{over} in {updates}"
    else:
        text += f" was taken as it is for {_tasks(data)}"
    return text + "."


def _demonstrations(data: Data) -> int:
    path = data.path("curate", "demonstrations.parquet")
    if path is None:
        return 0
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _shape(config: dict[str, Any]) -> list[str]:
    parts = []
    if kind := config.get("model_type"):
        parts.append({"llama": "Llama", "qwen3": "Qwen3"}.get(kind, escape(kind)))
    if layers := config.get("num_hidden_layers"):
        parts.append(count(int(layers), "layer"))
    if hidden := config.get("hidden_size"):
        parts.append(f"width {hidden}")
    return parts


def _tasks(data: Data) -> str:
    """Sources and their levels, as the prompts have them."""
    if not len(data.prompts):
        return "its demonstrations"
    by_source: dict[str, list[str]] = {}
    pairs = data.prompts.select("data_source", "difficulty").unique().sort("data_source", "difficulty")
    for source, level in pairs.iter_rows():
        by_source.setdefault(source.removeprefix("rlpipe/"), []).extend([level] if level else [])
    named = [f"{source} ({', '.join(levels)})" if levels else source for source, levels in by_source.items()]
    return escape(listing(named))


def training(data: Data) -> str:
    """Runs, seeds and the size of a step, where all runs share it."""
    if not data.runs:
        return "No policy was trained."
    runs = listing([run_name(run, data.colours.slots[run]) for run in data.runs])
    number_of_runs = count(len(data.runs), "run")
    text = f"It was then trained with reinforcement learning from verifiable rewards in {number_of_runs}, {runs}, "
    text += f"with {_seeds(data)}"
    lengths = {run: data.steps(run)["step"].n_unique() for run in data.runs if len(data.steps(run))}
    if lengths:
        low, high = min(lengths.values()), max(lengths.values())
        text += f", for {count(high, 'step') if low == high else f'{low:,} to {high:,} steps'}"
        text += _step_size(data)
    return text + "."


def _step_size(data: Data) -> str:
    """Prompts and rollouts of the first step of the first run."""
    path = next(
        (p for run in data.runs for n in data.names("train", run) if (p := data.path(n, "rollouts.parquet"))), None
    )
    if path is None:
        return ""
    artifacts.check(path, artifacts.ROLLOUTS)
    first = pl.scan_parquet(path).filter(pl.col("policy_step") == pl.col("policy_step").min())
    groups = first.select("prompt_id", "group_id").collect().group_by("prompt_id", "group_id").len()
    if not len(groups):
        return ""
    return f" of {count(len(groups), 'prompt')} \u00d7 {count(int(groups['len'].max()), 'rollout')}"  # type: ignore[arg-type]


def _seeds(data: Data) -> str:
    numbers = {len(seeds) for seeds in data.seeds.values()}
    if len(numbers) == 1:
        n = numbers.pop()
        return count(n, "seed") + (" each" if len(data.runs) > 1 else "")
    return f"{min(numbers)} to {max(numbers)} seeds"


def evaluation(data: Data) -> str:
    """What the policies were compared on, and whether it was held out from both stages."""
    name = next(
        (n for run in (WARM_UP, *data.runs) for n in data.names("evaluate", run) if len(data.problems(n))), None
    )
    if name is None:
        return ""
    table = data.problems(name)
    at = f"at temperature {data.statistics.temperature:g}"
    text = f"Every policy wrote {int(table['n'].to_numpy().min()):,} rollouts {at} for each of {len(table):,} prompts"
    return f"{text}{' that neither stage trained on' if held_out(data, table['prompt_id'].to_list()) else ''}."


def held_out(data: Data, ids: Sequence[str]) -> bool:
    """Whether none of these prompts was in the warm-up or the training split; False where the splits are not known."""
    if not len(data.prompts) or not data.prompts["split"].drop_nulls().len():
        return False
    trained = data.prompts.filter(pl.col("split").is_in(["demonstration", "train"]))["prompt_id"]
    return not set(trained) & set(ids)


def caution(data: Data) -> str:
    """What so few seeds can show."""
    if not data.runs:
        return ""
    numbers = sorted({len(seeds) for seeds in data.seeds.values()})
    if numbers[0] >= ENOUGH_SEEDS:
        return f"With {numbers[0]} seeds or more, differences between runs can be told from differences between seeds."
    if len(numbers) > 1:
        words, verb = f"{numbers[0]} to {numbers[-1]} seeds", "are"
    else:
        words, verb = WORDS[numbers[0]], "is" if numbers[0] == 1 else "are"
    return (
        f"<strong>{words} per run {verb} a demonstration, not evidence.</strong> P-values on this page, and the intervals of "
        "runs with fewer than three seeds, cover the choice of prompts and rollouts; how much another seed would change is "
        "seen only in the spread of the seeds drawn."
    )


def facts(data: Data) -> str:
    """A strip of numbers."""
    items: list[tuple[str, str]] = []
    if n := data.num_parameters():
        items.append(("Policy", f"{approximately(n)} <small>weights</small>"))
    if len(data.prompts) and data.prompts["split"].drop_nulls().len():
        by_split = dict(data.prompts.group_by("split").len().iter_rows())
        for split, label in (
            ("demonstration", "Warm-up prompts"),
            ("train", "Training prompts"),
            ("test", "Held-out prompts"),
        ):
            if split in by_split:
                items.append((label, f"{by_split[split]:,}"))
    if data.runs:
        total = sum(len(seeds) for seeds in data.seeds.values())
        items.append(("Trained policies", f"{total} <small>{count(len(data.runs), 'run')}</small>"))
    if known := [spent for name in data.inputs if (spent := data.wall_seconds(name)) is not None]:
        items.append(("All stages, summed", seconds(sum(known))))
    return (
        '<dl class="facts">'
        + "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in items)
        + "</dl>"
    )


def approximately(n: int) -> str:
    """`346,080`, `1.54 million`, `7.62 billion`."""
    for unit, word in ((10**9, "billion"), (10**6, "million")):
        if n >= unit:
            return f"{n / unit:.3g} {word}"
    return f"{n:,}"
