"""The section on searches, on searches with a known outcome."""

from __future__ import annotations

import json
from pathlib import Path

import altair as alt
import polars as pl
import pytest
from altair.utils.schemapi import SchemaBase

from rlpipe import artifacts
from rlpipe.report.blocks import Section
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.sections import search_tokens
from rlpipe.report.settings import ReportSettings
from rlpipe.search.metrics import FILE, SEARCH

METHODS = {"best_of_n": 2, "self_consistency": 4, "beam": 6, "epf_base+lam_reconstructed:apf": 5}
PARAMS = {"search": {"budgets": [2, 4], "methods": ["beam", "epf_base+apf"], "bootstrap_draws": 200}}
PROMPTS = 8


def write(folder: Path, gain: int, params: dict[str, object] = PARAMS) -> Path:
    """Of size 2, as many prompts are solved as `METHODS` says; of size 4, `gain` more; 10 tokens a sample."""
    folder.mkdir(parents=True)
    rows = []
    for method, solved in METHODS.items():
        for size in (2, 4):
            for i in range(PROMPTS):
                right = i < solved + gain * (size == 4)
                rows.append(
                    {"run_id": "r", "model_id": "m", "policy_step": 0, "prompt_id": f"p{i}", "data_source": "s",
                     "method": method, "size": size, "repeat": 0, "scorer": "x", "selected": right, "oracle": i < 7,
                     "majority": float(right), "response": "", "generated_tokens": 10 * size, "drawn_tokens": 10 * size,
                     "scorer_calls": size, "nan_scores": 0, "steps": 1, "chosen": 0, "correct": [right] * size,
                     "lengths": [10] * size, "answers": ["1"] * size, "truncated": [False] * size, "seed": 0,
                     "settings_json": "{}"}
                )  # fmt: skip
    artifacts.write(folder / FILE, SEARCH, rows)
    (folder / "receipt.json").write_text(json.dumps({"spec": {"params": params}}))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Data:
    inputs = {name: tmp_path / name for name in ("train/grpo/seed-0", "train/grpo/seed-1")}
    inputs |= {"search/sft": write(tmp_path / "sft", 0), "search/grpo/seed-0": write(tmp_path / "grpo", 1)}
    return Data(inputs, ReportSettings())


@pytest.fixture
def section(data: Data) -> Section:
    return search_tokens.build(data)[0]


def test_without_searches_there_is_no_section(tmp_path: Path) -> None:
    assert search_tokens.build(Data({"train/grpo/seed-0": tmp_path}, ReportSettings())) == []


def test_numbers_are_those_of_the_searches(section: Section) -> None:
    drawn = section.figures[0].data["search-tokens"]
    at = drawn.filter((pl.col("kind") == "budget") & (pl.col("method") == "beam") & (pl.col("k") == 4))
    assert dict(zip(at["run"], at["value"], strict=True)) == pytest.approx({WARM_UP: 6 / 8, "grpo": 7 / 8})
    assert at["tokens"].to_list() == pytest.approx([40.0, 40.0])
    assert at["oracle"].to_list() == pytest.approx([7 / 8, 7 / 8])
    assert (at["ci_lo"] < at["value"]).all()
    assert len(section.figures[0].charts) == 2


def test_the_table_tells_what_a_search_has_over_the_references(section: Section) -> None:
    table = section.tables[0]
    rows = {(row[0].text, row[1].text): row for row in table.rows}
    beam = next(row for (policy, method), row in rows.items() if "grpo" in policy and method == "beam")
    assert [cell.text for cell in beam[2:4]] == ["0.750", "0.875"]
    assert beam[-2].text == "+0.500"
    assert beam[-1].text == "+0.250"
    assert any("look-ahead reconstructed (apf)" in method for _, method in rows)
    assert table.numbers is not None
    adjusted = table.numbers.filter(pl.col("metric").str.starts_with("diff:"))
    assert (adjusted["p_holm"] >= adjusted["p"]).all()


def test_charts_are_valid(section: Section) -> None:
    for spec in section.figures[0].charts:
        checked = {**spec, "data": {"values": []}}
        checked.pop("width")
        assert isinstance(alt.LayerChart.from_dict(checked), SchemaBase)


def test_an_oracle_is_called_one(tmp_path: Path) -> None:
    params = {"search": {**PARAMS["search"], "scorer": "verifier"}}
    inputs = {"train/grpo/seed-0": tmp_path, "search/sft": write(tmp_path / "sft", 0, params)}
    honest = {"train/grpo/seed-0": tmp_path, "search/sft": write(tmp_path / "honest", 0)}
    texts = [search_tokens.build(Data(given, ReportSettings()))[0].blocks[0].html for given in (inputs, honest)]  # type: ignore[union-attr]
    assert "upper bounds" in texts[0]
    assert "upper bounds" not in texts[1]
    assert "No score sees the answer" in texts[1]
