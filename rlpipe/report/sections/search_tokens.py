"""Searches at inference against each other: accuracy for the tokens they generate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from rlpipe.evaluate.metric_row import ALL, Row
from rlpipe.report.blocks import Cell, Column, Figure, Prose, Section, Table
from rlpipe.report.charts import specification
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.markup import NONE, count, escape, interval, listing, number, p_value, run_name
from rlpipe.report.palette import css
from rlpipe.search.metrics import FILE, SEARCH, metric_rows
from rlpipe.search.settings import ORACLE, REFERENCES, SAMPLED, SCORERS, TREES, SearchStageSettings

ID, TITLE, SHORT = "search-tokens", "Searching at equal tokens", "Search"
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
FAMILIES = {"samples": "ink", "trees": "run-8", "filters": "run-7"}
LABELS = {"best_of_n": "best-of-N", "self_consistency": "self-consistency", "weighted_vote": "weighted vote"}
LABELS |= {"dvts": "DVTS", "pf_prefix": "particle filter", "epf": "entropic particle filter"}
TYPES = {"run": pl.String, "method": pl.String, "kind": pl.String, "k": pl.Int64, "tokens": pl.Float64}
TYPES |= {"at": pl.Float64, "value": pl.Float64, "ci_lo": pl.Float64, "ci_hi": pl.Float64, "oracle": pl.Float64}
SIDEWAYS = 1.07


def build(data: Data) -> list[Section]:
    """The section, or none where nothing was searched: unlike an evaluation, it has to be asked for."""
    policies = [p for p in (WARM_UP, *data.runs) if data.names("search", p)]
    if not policies:
        return []
    settings = SearchStageSettings.model_validate(data.section("search", data.names("search", policies[0])[0]))
    rows = {policy: measured(data, policy, settings) for policy in policies}
    numbers = flat(rows)
    blocks = (reading(settings), figure(numbers, policies), table(data, rows, settings))
    return [Section(ID, TITLE, blocks, short=SHORT)]


def measured(data: Data, policy: str, settings: SearchStageSettings) -> list[Row]:
    """Rows of eval/1 over all prompts, from the searches of all seeds of a policy that were searched."""
    frames = [data.table(name, FILE, SEARCH) for name in data.names("search", policy)]
    # A seed counts like a repeat: the prompts are what is drawn at random.
    rows = metric_rows(pl.concat(frames), settings, {"run_id": policy, "model_id": policy, "policy_step": 0})
    return [row | {"info": json.loads(row["info_json"])} for row in rows if row["benchmark"] == ALL]


def flat(rows: Mapping[str, Sequence[Row]]) -> pl.DataFrame:
    """A row per policy, method and size (`kind` size) or budget (`kind` budget), in the order methods stand in."""
    found = []
    for policy, own in rows.items():
        methods = list(dict.fromkeys(_method(row) for row in own if row["metric"].startswith("search:")))
        oracle = {(_method(row), row["k"]): row["value"] for row in own if row["metric"].startswith("search_oracle:")}
        for row in own:
            kind, method = row["metric"].partition(":")[0], _method(row)
            if kind not in ("search", "search_size") or row.get("value") is None:
                continue
            tokens = row["info"]["tokens" if kind == "search" else "generated_tokens"]
            # Sideways, so that intervals of methods at one budget do not hide each other.
            at = tokens * SIDEWAYS ** (methods.index(method) - (len(methods) - 1) / 2) if kind == "search" else tokens
            here = {"run": policy, "method": label(method), "k": row["k"], "tokens": tokens, "at": at}
            here |= {"kind": "budget" if kind == "search" else "size", "value": row["value"]}
            here |= {"ci_lo": row["ci_lo"], "ci_hi": row["ci_hi"]}
            found.append(here | {"oracle": oracle.get((method, row["k"])) if kind == "search" else None})
    return pl.DataFrame(found, schema=TYPES)


def reading(settings: SearchStageSettings) -> Prose:
    told = escape(SCORERS[settings.scorer])
    score = (
        f"The score behind every choice but the plain vote is the verifier itself ({told}), which knows the answers: "
        "these lines are upper bounds that nobody could reach in use."
        if settings.scorer == ORACLE
        else f"No score sees the answer: it is {told}, which rewards what the policy would say anyway."
    )
    return Prose(
        "Compare methods at one place of the horizontal axis, where they have generated equally many tokens; one that "
        "does not rise above <em>self-consistency</em> is not worth its trouble. "
        f"{score} In the table, <em>any correct</em> beside a low accuracy means that selection failed; where it is low "
        "as well, the search lost what the policy could do.",
        "reading",
    )


def figure(numbers: pl.DataFrame, policies: Sequence[str]) -> Figure:
    methods = numbers["method"].unique(maintain_order=True).to_list()
    return Figure(
        "search-tokens",
        [chart(policy, methods) for policy in policies],
        {"search-tokens": numbers},
        "Accuracy by generated tokens per prompt. Points with intervals stand at the budgets that are compared, a little "
        "apart so that all can be seen; lines join the sizes that were run. Black: picking among whole samples. Red: "
        "trees. Violet: particle filters.",
        "Lines of accuracy over generated tokens, one per search method, with intervals at the budgets",
        [policy if policy != WARM_UP else f"{policy} <small>before training</small>" for policy in policies],
        columns=2,
        legend=False,
    )


def chart(policy: str, methods: Sequence[str]) -> dict[str, Any]:
    base = alt.Chart(alt.NamedData("search-tokens")).transform_filter(alt.datum.run == policy)
    lines, points = (base.transform_filter(alt.datum.kind == kind) for kind in ("size", "budget"))
    x = alt.X(
        "at:Q", scale=alt.Scale(type="log", base=2, nice=False), axis=alt.Axis(title="tokens per prompt", format=",d")
    )
    y = alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=None, format="~g"))
    styles = [_style(method, methods) for method in methods]
    domain = list(methods)
    legend = alt.Legend(
        orient="bottom", title=None, columns=3, symbolType="stroke", symbolSize=300, symbolStrokeWidth=2
    )
    colour = alt.Color("method:N", scale=alt.Scale(domain=domain, range=[css(c) for c, _ in styles]), legend=legend)
    dash = alt.StrokeDash("method:N", scale=alt.Scale(domain=domain, range=[d for _, d in styles]), legend=legend)
    tooltip = [alt.Tooltip("method:N"), alt.Tooltip("tokens:Q", format=",.0f"), alt.Tooltip("value:Q", format=".3f")]
    tooltip += [alt.Tooltip("ci_lo:Q", title="from", format=".3f"), alt.Tooltip("ci_hi:Q", title="to", format=".3f")]
    drawn = lines.mark_line(strokeWidth=1.5, opacity=0.8).encode(x, y, colour, dash)
    bars = points.mark_rule(strokeWidth=1.2, opacity=0.55).encode(x, alt.Y("ci_lo:Q"), alt.Y2("ci_hi:Q"), colour)
    dots = points.mark_point(filled=True, size=34, opacity=1).encode(x, y, colour, tooltip=tooltip)
    return specification(alt.layer(drawn, bars, dots), 260)


def table(data: Data, rows: Mapping[str, Sequence[Row]], settings: SearchStageSettings) -> Table:
    """A line per policy and method: accuracy at every budget, and what it has over the references at the largest."""
    most = settings.budgets[-1]
    body = []
    for policy, own in rows.items():
        by_name = {(row["metric"], row["k"]): row for row in own if not row["metric"].startswith("diff:")}
        tests = {(_method(r), r["info"]["other"]): r for r in own if r["metric"].startswith("diff:") and r["k"] == most}
        for name in dict.fromkeys(_method(row) for row in own if row["metric"].startswith("search:")):
            at = [by_name[f"search:{name}", b] for b in settings.budgets]
            cells = [Cell(run_name(policy, data.colours.slots[policy])), Cell(escape(label(name)), sort=name)]
            cells += [_accuracy(row) for row in at]
            cells.append(_plain(by_name.get((f"search_oracle:{name}", most)), "value"))
            cells.append(
                Cell(number(at[-1]["info"].get("distinct_answers"), 1), sort=at[-1]["info"].get("distinct_answers"))
            )
            body.append([*cells, *(_difference(tests.get((name, other)), settings) for other in REFERENCES)])
    columns = [Column("Policy", number=False), Column("Method", number=False)]
    columns += [
        Column(f"{count(b, 'sample')}", f"Accuracy for the tokens of {b} whole samples of this policy")
        for b in settings.budgets
    ]
    columns += [
        Column("Any correct", "Share of prompts with a correct answer among all that was found, at the last budget")
    ]
    columns += [Column("Distinct", "Different answers among those found, at the last budget")]
    columns += [
        Column(
            f"Over {label(r)}",
            "Difference at the last budget, for as many tokens; p adjusted over all tests of the policy",
        )
        for r in REFERENCES
    ]
    prompts = max(int(row["n_problems"]) for own in rows.values() for row in own)
    named = listing([f"{b}" for b in settings.budgets])
    caption = f"Accuracy of searches at the tokens of {named} whole samples; {count(prompts, 'prompt')} each."
    return Table("search-tokens-table", columns, body, caption, _tested(rows), folded="Numbers as a table")


def label(method: str) -> str:
    """A method in words: `epf_base+lam_reconstructed:apf` as `entropic particle filter (base), looking ahead (apf)`."""
    base, _, ahead = method.partition("+")
    name, _, mode = base.partition("_") if base.startswith("epf") else (base, "", "")
    words = LABELS.get(name, name) + (f" ({mode})" if mode else "")
    return f"{words}, look-ahead reconstructed ({ahead.partition(':')[2]})" if ahead else words


def _tested(rows: Mapping[str, Sequence[Row]]) -> pl.DataFrame:
    """Every number behind the table, differences with their p-values."""
    kept = [r for own in rows.values() for r in own if not r["metric"].startswith("search_size")]
    names = ("run_id", "metric", "k", "value", "se", "ci_lo", "ci_hi", "n_problems")
    told = ("tokens", "budget_tokens", "other", "p", "p_holm", "p_is_bound")
    flat_rows = [{n: r.get(n) for n in names} | {n: r["info"].get(n) for n in told} for r in kept]
    return pl.DataFrame(flat_rows, infer_schema_length=None)


def _style(method: str, methods: Sequence[str]) -> tuple[str, list[int]]:
    """Colour of the family, dash within it by the place among those of the family that are drawn."""
    families = {label(name): "samples" for name in SAMPLED} | {label(name): "trees" for name in TREES}
    family = families.get(method, "filters")
    place = [name for name in methods if families.get(name, "filters") == family].index(method)
    return FAMILIES[family], DASHES[place % len(DASHES)]


def _method(row: Row) -> str:
    return str(row["metric"]).removeprefix("diff:").partition(":")[2]


def _accuracy(row: Row) -> Cell:
    if row.get("value") is None:
        return Cell(NONE, f"needs {row['info']['needs_tokens']:,.0f} tokens", sort="")
    short = row["info"]["tokens"] < 0.995 * row["info"]["budget_tokens"]
    below = interval(row["ci_lo"], row["ci_hi"], 2) + (f", for {row['info']['tokens']:,.0f} tokens" if short else "")
    return Cell(number(row["value"]), below, row["value"])


def _plain(row: Row | None, key: str) -> Cell:
    return Cell(NONE, sort="") if row is None else Cell(number(row[key]), sort=row[key])


def _difference(row: Row | None, settings: SearchStageSettings) -> Cell:
    if row is None:
        return Cell(NONE, sort="")
    p = row["info"]["p_holm"]
    sure = p <= 1 - settings.confidence and row["ci_lo"] is not None and row["ci_lo"] * row["ci_hi"] > 0
    tone = ("up" if row["value"] > 0 else "down") if sure else ""
    below = f"{interval(row['ci_lo'], row['ci_hi'], 2, sign=True)}, {p_value(p, row['info'].get('p_is_bound', False))}"
    return Cell(number(row["value"], sign=True), below, row["value"], tone)
