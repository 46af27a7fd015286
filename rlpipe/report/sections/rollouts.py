"""A browser of sample rollouts, every token coloured by the entropy of the distribution it was drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import zip_longest

import polars as pl
import pyarrow as pa

from rlpipe import artifacts
from rlpipe.report.album import BINS, Album
from rlpipe.report.blocks import Block, Html, Prose, Section, absent
from rlpipe.report.inputs import WARM_UP, Data, policy_name
from rlpipe.report.markup import number
from rlpipe.report.token_text import Decode, decoder

ID, TITLE, SHORT = "rollouts", "Sample rollouts", "Sample rollouts"
EVALUATION = "evaluation, after training"
COLUMNS = (
    "prompt_id",
    "data_source",
    "difficulty",
    "prompt",
    "sample_index",
    "policy_step",
    "response_ids",
    "logprobs",
    "entropies",
    "reward",
    "acc",
    "canonical_answer",
    "extracted_answer",
    "verifier_status",
    "finish_reason",
    "group_id",
    "sampling_json",
    "agent",
    "parent",
    "trajectory_ids",
    "trajectory_mask",
)


def build(data: Data) -> Section:
    """The browser, with a selection that depends on prompt ids and settings only, never on outcomes."""
    sources = [source for source in _sources(data) if data.path(source[1], source[2]) is not None]
    if not sources or not data.settings.sample_rollouts:
        return absent(ID, TITLE, "No rollouts are among the inputs of this report.", SHORT)
    album = Album(_decoder(data))
    per_prompt = data.settings.rollouts_per_prompt
    _evaluated(data, album, [s for s in sources if s[2] == "samples.parquet"], per_prompt)
    _trained(data, album, [s for s in sources if s[2] == "rollouts.parquet"], per_prompt)
    first_trained = next((i for i, name in enumerate(album.policies) if not name.startswith(WARM_UP)), 0)
    blocks: list[Block] = [
        Prose(
            f"{album.rollouts:,} rollouts of {len(album.prompts):,} prompts, chosen by a hash of the prompt's id and "
            "never by how they turned out; evaluation shows the same prompts for every policy, so changing the "
            "policy compares like with like.",
        )
    ]
    if album.decode is None:
        blocks.append(Prose("The policies came without a tokenizer, so tokens are shown as ids.", "absent"))
    blocks.append(Html(browser(), {"rollouts": album.payload(first_trained)}))
    return Section(ID, TITLE, blocks, short=SHORT)


def _decoder(data: Data) -> Decode | None:
    policies = (data.path(name, "policy") for run in (WARM_UP, *data.runs) for name in data.names("train", run))
    return next((found for policy in policies if policy and (found := decoder(policy))), None)


def _sources(data: Data) -> Iterator[tuple[str, str, str]]:
    """(policy as shown, artifact, file), the warm-up first."""
    for run in (WARM_UP, *data.runs):
        for stage, file in (("evaluate", "samples.parquet"), ("train", "rollouts.parquet")):
            for name in data.names(stage, run):
                seed = int(name.rpartition("-")[2]) if run != WARM_UP else None
                yield policy_name(run, seed), name, file


def _evaluated(data: Data, album: Album, sources: Sequence[tuple[str, str, str]], per_prompt: int) -> None:
    """Half of the rollouts: evaluation, the same prompts for all policies."""
    if not sources:
        return
    budget = max(1, data.settings.sample_rollouts // 2 // len(sources) // per_prompt)
    samples = [_scan(data, name, file) for _, name, file in sources]
    keys = samples[0].select("prompt_id", "data_source", "difficulty").unique().collect()
    chosen = spread(keys, data.settings.seed, budget)
    for (policy, _, _), frame in zip(sources, samples, strict=True):
        when = "evaluation" if policy == WARM_UP else EVALUATION
        parts = frame.filter(pl.col("prompt_id").is_in(chosen)).collect().partition_by("prompt_id", as_dict=True)
        for id in chosen:
            if (id,) in parts:
                album.add(policy, when, parts[(id,)], per_prompt)


def _trained(data: Data, album: Album, sources: Sequence[tuple[str, str, str]], per_prompt: int) -> None:
    """The other half: a few training steps of every seed."""
    if not sources or not data.settings.browser_steps:
        return
    budget = max(1, data.settings.sample_rollouts // 2 // len(sources) // per_prompt // data.settings.browser_steps)
    for policy, name, file in sources:
        scan = _scan(data, name, file)
        steps = scan.select(pl.col("policy_step").unique()).collect()["policy_step"].sort().to_list()
        for step in evenly(steps, data.settings.browser_steps):
            frame = scan.filter(pl.col("policy_step") == step).collect()
            frame = frame.with_columns(pl.coalesce("group_id", "prompt_id").alias("group_id"))
            for id in spread(
                frame.select("prompt_id", "data_source", "difficulty").unique(), data.settings.seed, budget
            ):
                group = frame.filter(pl.col("prompt_id") == id)
                group = group.filter(pl.col("group_id") == group["group_id"][0])
                album.add(policy, f"training, step {step:,}", group, per_prompt)


def _scan(data: Data, name: str, file: str) -> pl.LazyFrame:
    """The file without reading it whole; columns it may lack come as nulls.

    Raises: ArtifactError if it is no table of rollouts.
    """
    path = data.path(name, file)
    assert path is not None
    found = artifacts.check(path, artifacts.ROLLOUTS).names
    types = {f.name: f.type for f in artifacts.ROLLOUTS.arrow()}
    missing = [
        pl.lit(None, pl.DataFrame(pa.table({c: pa.nulls(0, types[c])})).schema[c]).alias(c)
        for c in COLUMNS
        if c not in found
    ]
    return pl.scan_parquet(path).with_columns(missing).select(COLUMNS)


def spread(keys: pl.DataFrame, seed: int, n: int) -> list[str]:
    """`n` prompt ids in turn from each source and level, in the order of a hash of seed and id."""
    by_level: dict[tuple[str, str], list[str]] = {}
    for id, source, level in keys.iter_rows():
        by_level.setdefault((source, level or ""), []).append(id)
    queues = [
        sorted(ids, key=lambda id: blake2b(f"{seed}\x1f{id}".encode()).digest()) for _, ids in sorted(by_level.items())
    ]
    return [id for round in zip_longest(*queues) for id in round if id is not None][:n]


def evenly(steps: Sequence[int], n: int) -> list[int]:
    """First, last and evenly between: at most `n` of the steps."""
    if n <= 1 or len(steps) <= n:
        return list(steps[-1:] if n == 1 else steps)
    return [steps[round(i * (len(steps) - 1) / (n - 1))] for i in range(n)]


def browser() -> str:
    """The controls and the empty places the script fills."""
    heat = "".join(f'<span><i class="h{i}"></i>{_bin(i)}</span>' for i in range(len(BINS) + 1))

    def select(part: str, label: str, grow: str = "") -> str:
        return f'<label{grow}>{label}<select data-part="{part}"></select></label>'

    orders = {"": "as drawn", "entropy": "by mean entropy", "length": "by length"}
    order = "".join(f'<option value="{value}">{text}</option>' for value, text in orders.items())
    return (
        '<div class="browser" id="browser"><div class="controls">'
        + select("policy", "Policy")
        + select("when", "Occasion")
        + select("task", "Task and level")
        + '<label class="grow">Prompt<span class="pick">'
        '<button type="button" data-part="previous" aria-label="Previous prompt">'
        '\u2190</button><select data-part="prompt" aria-label="Prompt"></select>'
        '<button type="button" data-part="next" aria-label="Next prompt">\u2192</button></span></label>'
        f'<label>Order<select data-part="order">{order}</select></label></div>'
        f'<div class="heat" role="group" aria-label="Colours of token entropy"><span>token entropy, nats</span>{heat}'
        '<div class="token-line" data-part="token" aria-live="polite">Point at a token, or move with the arrow '
        "keys.</div></div>"
        '<div class="task"><div class="kicker" data-part="kicker"></div><p class="text mono" data-part="text"></p>'
        '<div class="kicker" data-part="share" aria-live="polite"></div></div>'
        '<ol class="rollouts" data-part="rollouts"></ol><noscript>The browser needs JavaScript.</noscript></div>'
    )


def _bin(i: int) -> str:
    low = f"{number(BINS[i - 1], 2)}" if i else ""
    high = f"{number(BINS[i], 2)}" if i < len(BINS) else ""
    return f"{low}\u2013{high}" if low and high else (f"below {high}" if high else f"{low} and above")
