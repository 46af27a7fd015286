"""What was run, in one paragraph and a strip of facts; every word of it follows from the artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from rlpipe.report.blocks import Html, Prose, Section
from rlpipe.report.data import WARM_UP, Data
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
    steps, demonstrations = data.table("sft", "metrics.parquet", _sft()), _demonstrations(data)
    if len(steps):
        over = f" from {count(demonstrations, 'demonstration')}" if demonstrations else ""
        text += f" was warmed up on {_tasks(data)}{over} in {count(len(steps), 'update')} (last loss {number(steps['loss'][-1], 2)})"
    else:
        text += f" was taken as it is for {_tasks(data)}"
    return text + "."


def _sft() -> Any:
    from rlpipe import artifacts

    return artifacts.SFT_STEPS


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
    for source, level in sorted(
        set(zip(data.prompts["data_source"], data.prompts["difficulty"], strict=True)), key=str
    ):
        by_source.setdefault(source, []).extend([level] if level else [])
    return listing(
        [
            f"{escape(s.removeprefix('rlpipe/'))}{f' ({escape(chr(44).join(v)).replace(chr(44), chr(44) + chr(32))})' if v else ''}"
            for s, v in by_source.items()
        ]
    )


def training(data: Data) -> str:
    """Runs, seeds and the size of a step, where all runs share it."""
    if not data.runs:
        return "No policy was trained."
    train = data.section("train")
    runs = listing([run_name(run, data.colours.slots[run]) for run in data.runs])
    text = f"It was then trained with reinforcement learning from verifiable rewards in {count(len(data.runs), 'run')}, {runs}, "
    text += f"with {_seeds(data)}"
    lengths = {run: data.steps(run)["step"].n_unique() for run in data.runs if len(data.steps(run))}
    if lengths:
        low, high = min(lengths.values()), max(lengths.values())
        text += f", for {count(high, 'step') if low == high else f'{low:,} to {high:,} steps'}"
        if train.get("prompts") and train.get("rollouts"):
            text += f" of {train['prompts']} prompts \u00d7 {train['rollouts']} rollouts"
    return text + "."


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
    table, settings = data.problems(name), data.section("evaluate")
    temperature = settings.get("temperature")
    at = f" at temperature {temperature:g}" if isinstance(temperature, int | float) else ""
    text = f"Every policy wrote {table['n'].min():,} rollouts{at} for each of {len(table):,} prompts"
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
    fewest = min(len(seeds) for seeds in data.seeds.values())
    if fewest >= ENOUGH_SEEDS:
        return f"With {fewest} seeds or more, differences between runs can be told from differences between seeds."
    words = WORDS[fewest] if fewest in WORDS else f"{fewest} seeds"
    verb = "is" if fewest == 1 else "are"
    return (
        f"<strong>{words} per run {verb} a demonstration, not evidence.</strong> Intervals and p-values on this page cover the "
        "choice of prompts and rollouts; how much another seed would change is seen only in the spread of the seeds drawn."
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
        items.append(("Wall time, all stages", seconds(sum(known))))
    return (
        '<dl class="facts">'
        + "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in items)
        + "</dl>"
    )


def approximately(n: int) -> str:
    """`346 thousand`, `1.5 billion`."""
    for unit, word in ((10**9, "billion"), (10**6, "million"), (10**3, "thousand")):
        if n >= unit:
            return f"{n / unit:.3g} {word}"
    return str(n)
