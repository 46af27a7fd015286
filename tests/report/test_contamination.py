"""The contamination section on artifacts whose answer is known: clean prompts, planted runs, random rewards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.contamination.probes.detectors import DETECTORS
from rlpipe.contamination.verdict import Verdict, with_random_reward
from rlpipe.report.blocks import Block, Figure, Prose, Table
from rlpipe.report.inputs import Data
from rlpipe.report.measures import Measured
from rlpipe.report.page import render
from rlpipe.report.report import build
from rlpipe.report.sections import clean, contamination, exposure
from rlpipe.report.sections import drift as watch
from rlpipe.report.settings import ReportSettings
from tests.report import synthetic, synthetic_rows
from tests.report.conftest import Made
from tests.report.test_page import parsed, validate

SIZE = synthetic_rows.Size(problems=3, samples=8, steps=4, runs=("grpo",), seeds=(0,))
SEED = [("grpo", 0, "contamination/grpo/seed-0")]


def tables(blocks: Sequence[Block]) -> dict[str, Table]:
    return {block.name: block for block in blocks if isinstance(block, Table)}


def prose(blocks: Sequence[Block]) -> str:
    return " ".join(block.html for block in blocks if isinstance(block, Prose))


@pytest.fixture
def small(tmp_path: Path) -> dict[str, Path]:
    return synthetic.pipeline(tmp_path, SIZE)


def flag(root: Path, eval_ids: Sequence[str], source: str) -> None:
    """Let an overlap table find these evaluation prompts among the training prompts."""
    rows = [row for row in synthetic_rows.overlap_rows("grpo") if row["record_type"] != "pair"]
    pair = {"record_type": "pair", "method": "exact", "decision": "drop", "eval_set": source, "method_version": "1"}
    rows = [pair | {"train_id": "t", "eval_id": identity} for identity in eval_ids] + rows
    artifacts.write(root / "overlap.parquet", artifacts.CONTAMINATION, rows)


def test_both_scores_stand_side_by_side(small: dict[str, Path]) -> None:
    measured = Measured(Data(small, ReportSettings()))
    countdown = measured.prompts.filter(pl.col("source") == "rlpipe/countdown")["prompt_id"].to_list()
    flag(small["contamination/grpo/seed-0"], countdown[:4], "rlpipe/countdown")
    data = Data(small, ReportSettings())
    blocks = clean.blocks(data, measured, SEED)
    assert f"{len(measured.prompts) - 4} of {len(measured.prompts)} evaluated prompts have no counterpart" in prose(
        blocks
    )
    table = tables(blocks)["clean"]
    assert table.numbers is not None
    assert not table.folded
    value = {(r["run"], r["benchmark"], r["measure"], r["subset"]): r for r in table.numbers.iter_rows(named=True)}
    kept = [p not in countdown[:4] for p in measured.prompts["prompt_id"]]
    for policy in measured.policies:
        each = measured.values(policy, "pass@1")
        found = value[policy, "all", "pass@1", "clean"]
        assert found["value"] == pytest.approx(np.mean(each[kept]))
        assert found["ci_lo"] <= found["value"] <= found["ci_hi"]
        assert (found["prompts"], found["of"]) == (len(each) - 4, len(each))
        assert value[policy, "all", "pass@1", "all"]["value"] == pytest.approx(np.mean(each))
        assert value[policy, "rlpipe/countdown", "pass@1", "clean"]["prompts"] == len(countdown) - 4
    assert [column.heading for column in table.columns[3:5]] == ["pass@1, all", "pass@1, clean"]
    assert [row[0].text for row in table.rows] == ["all sources"] * 2 + ["rlpipe/countdown"] * 2 + [
        "rlpipe/expression"
    ] * 2


def test_where_all_prompts_are_clean_a_sentence_says_so(made: Made) -> None:
    blocks = made.sections["contamination"].blocks
    assert "so the clean prompts are all of them" in prose(blocks)
    assert tables(blocks)["clean"].folded


def test_a_benchmark_that_is_not_clean_at_all_has_a_dash(small: dict[str, Path]) -> None:
    measured = Measured(Data(small, ReportSettings()))
    every = measured.prompts["prompt_id"].to_list()
    flag(small["contamination/grpo/seed-0"], every, "rlpipe/countdown")
    table = tables(clean.blocks(Data(small, ReportSettings()), measured, SEED))["clean"]
    assert {row[2].text for row in table.rows} == {"0 of 12", "0 of 6"}
    assert {row[4].text for row in table.rows} == {"\u2013"}


def test_prompts_that_were_not_compared_are_not_called_clean(small: dict[str, Path]) -> None:
    params = {"contamination": {"benchmark_split": "probe"}}  # and the test split was evaluated
    data = Data(small, ReportSettings(), params)
    blocks = clean.blocks(data, Measured(data), SEED)
    assert "0 of 12 evaluated prompts have no counterpart" in prose(blocks)
    assert "12 prompts of another split were not compared" in prose(blocks)
    without = {name: path for name, path in small.items() if name != "curate"}
    assert clean.blocks(Data(without, ReportSettings()), Measured(Data(without, ReportSettings())), SEED) == []


def planted(root: Path, run: str, seed: int, epochs: int, area: float) -> Path:
    """Metrics as the contamination stage writes them of a planted run: two detectors, one that sees and one that does not."""
    name = f"{run}/seed-{seed}"
    shared = {
        "run_id": name,
        "model_id": name,
        "benchmark": "all",
        "split": "train",
        "n_problems": 192,
        "n_samples": 13,
    }
    rows: list[dict[str, Any]] = [
        shared
        | {"metric": f"auc:{method}", "value": value, "ci_lo": value - 0.08, "ci_hi": value + 0.08, "ci_method": "b"}
        | {"info_json": "{}"}
        for method, value in (("accuracy", area), ("self_critique", 0.5))
    ]
    info = json.dumps({"plant_members": 96, "plant_epochs": epochs})
    rows.append(shared | {"metric": "exposure", "value": float(epochs), "ci_method": "none", "info_json": info})
    folder = root / name
    folder.mkdir(parents=True)
    artifacts.write(folder / "metrics.parquet", artifacts.EVAL, rows)
    artifacts.write(folder / "overlap.parquet", artifacts.CONTAMINATION, synthetic_rows.overlap_rows(run))
    return folder


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Path]:
    areas = {0: (0.48, 0.50, 0.52), 16: (0.57, 0.59, 0.64), 64: (0.70, 0.75, 0.80)}
    names = {0: "twin", 16: "planted_16", 64: "planted_64"}
    return {
        f"contamination/{names[epochs]}/seed-{seed}": planted(tmp_path, names[epochs], seed, epochs, area)
        for epochs, found in areas.items()
        for seed, area in enumerate(found)
    }


def seeds(data: Data) -> list[tuple[str, int, str]]:
    return [(run, int(n.rpartition("-")[2]), n) for run in data.runs for n in data.names("contamination", run)]


def test_beside_every_detector_stands_what_is_suspicious_and_why(made: Made) -> None:
    table = tables(made.sections["contamination"].blocks)["auc-all"]
    place = [column.heading for column in table.columns].index("Suspicious")
    said = {row[1].text: (row[place].text, row[place].below) for row in table.rows}
    assert said == {d.title: (d.suspicious, d.why) for d in DETECTORS.values() if d.title in said}
    assert said["PPL"] == ("low", "it is sure of its response")
    assert len(said) >= 9
    figures = {figure.name: figure for figure in made.sections["contamination"].figures}
    assert "PPL (low)" in set(figures["auc"].data["auc"]["detector"])
    assert figures["roc"].panels[-1] == "Accuracy <small>high: what is trained on is solved</small>"


def test_power_rises_with_exposure_for_the_detector_that_sees(study: dict[str, Path]) -> None:
    data = Data(study, ReportSettings(baseline="twin"))
    blocks = exposure.blocks(data, seeds(data))
    numbers = tables(blocks)["power"].numbers
    assert numbers is not None
    sees = numbers.filter(pl.col("method") == "accuracy").sort("epochs")
    assert sees["auc"].to_list() == pytest.approx([0.5, 0.6, 0.75])
    assert sees["power"].to_list() == pytest.approx([0.0, 2 / 3, 1.0])
    assert sees["rise"].to_list()[1:] == pytest.approx([0.1, 0.25])
    assert sees["auc_lo"][1] == pytest.approx(0.6 - 4.302653 * 0.0360555 / np.sqrt(3), abs=1e-5)
    assert sees["power_lo"][2] == pytest.approx(0.05 ** (1 / 3), abs=1e-6)  # mid-P, 3 of 3
    blind = numbers.filter(pl.col("method") == "self_critique")
    assert blind["power"].to_list() == [0.0] * 3
    said = prose(blocks)
    assert "planted into training for 0, 16 or 64 epochs" in said
    assert "clean twin" in said
    figures = {block.name: block for block in blocks if isinstance(block, Figure)}
    assert set(figures) == {"exposure", "power"}
    assert figures["power"].panels[0].startswith("Self-Critique <small>high: asked for another way")
    assert "the one named in advance first" in figures["power"].caption
    for figure in figures.values():
        for chart in figure.charts:
            validate(chart)


def test_one_seed_without_a_twin_is_said_and_has_no_interval(tmp_path: Path) -> None:
    inputs = {"contamination/planted/seed-0": planted(tmp_path, "planted", 0, 8, 0.7)}
    data = Data(inputs, ReportSettings())
    blocks = exposure.blocks(data, seeds(data))
    assert "no clean twin (<code>epochs: 0</code>) is among the runs" in prose(blocks)
    assert "One or two seeds say little" in prose(blocks)
    numbers = tables(blocks)["power"].numbers
    assert numbers is not None
    assert numbers["auc_lo"].to_list() == numbers["rise"].to_list() == [None, None]


def test_the_study_is_on_the_page_and_a_page_without_planted_runs_has_no_such_part(
    study: dict[str, Path], made: Made
) -> None:
    data = Data(study, ReportSettings(baseline="twin"))
    head, *sections = build(data)
    page = render("Study", head, sections, data.colours)
    assert parsed(page).wrong == []
    assert "Power against exposure" in page
    assert "Power against exposure" not in made.page


def test_a_benchmark_that_improves_under_random_rewards_is_for_review(inputs: dict[str, Path]) -> None:
    runs = {"grpo": {"methods": ["grpo", "random_reward"]}}  # the synthetic run does improve
    told, untold = (Data(inputs, ReportSettings(), params) for params in ({"runs": runs}, {}))
    before = tables(contamination.build(untold, Measured(untold)).blocks)["verdicts"].numbers
    after = tables(contamination.build(told, Measured(told)).blocks)["verdicts"].numbers
    assert before is not None
    assert after is not None
    assert set(before["decision"]) == {"clean"}
    risen = after.filter(pl.col("decision") == "review")
    assert len(risen) >= 1
    for reason in risen["reason"]:
        first, *rest = reason.split("\n")
        assert first.startswith("random rewards change it by +")
        assert first.endswith("a gain that no reward explains")
        assert rest[0].startswith("none of 12 prompts")
    assert "contaminated" not in set(after["decision"])


def test_a_graver_verdict_keeps_its_place() -> None:
    from rlpipe.statistics.random_reward import Gain

    gain, none = Gain("b", 0.2, 0.1, 0.3, 30), Gain("b", 0.0, -0.1, 0.1, 30)
    worst = Verdict("b", "contaminated", ("3 of 30 prompts",))
    assert with_random_reward(worst, [gain]).decision == "contaminated"
    assert with_random_reward(worst, [gain]).reasons[0] == "3 of 30 prompts"
    unknown = Verdict("b", "unknown", ("not probed",))
    assert with_random_reward(unknown, [none]) == Verdict(
        "b", "unknown", ("not probed", "random rewards change it by +0.000 [-0.100, +0.100]")
    )
    assert with_random_reward(unknown, [none, gain]).decision == "review"
    assert not Gain("b", 0.2, 0.1, 0.3, 30, p=0.2).flagged  # the test does not agree with the interval


def test_the_watch_is_a_curve_with_its_alarm_line(made: Made, data: Data) -> None:
    section = made.sections["contamination"]
    assert "It rings at 6 of 18 checkpoints: grpo seed 0, grpo seed 1, grpo_low_lr seed 0" in prose(section.blocks)
    (figure,) = [f for f in section.figures if f.name == "watch"]
    assert list(figure.panels) == data.runs
    rows = figure.data["watch"].filter((pl.col("run") == "grpo") & (pl.col("seed") == 0))
    assert rows["step"].to_list() == [0, 10, 20, 30]
    assert rows["rise"].to_list() == [0.0, 0.0, 0.03, 0.01]
    assert set(rows["tolerance"]) == {0.05}
    for spec in figure.charts:
        validate(spec)
    table = tables(section.blocks)["drift"]
    assert {row[3].tone for row in table.rows if row[1].text == "20"} == {"mark"}


def test_a_watch_of_the_last_policy_alone_has_no_curve(tmp_path: Path) -> None:
    shared = {"run_id": "grpo/seed-0", "model_id": "grpo/seed-0", "n_problems": 1, "n_samples": 1, "policy_step": 9}
    row = {"metric": "drift:text", "benchmark": "frozen", "ci_method": "x", "value": 1.0, "ci_lo": float("nan")}
    row |= {"ci_hi": float("nan"), "info_json": json.dumps({"state": "unknown", "tolerance": 0.1, "cost_before": 0.9})}
    artifacts.write(tmp_path / "metrics.parquet", artifacts.EVAL, [shared | row])
    data = Data({"contamination/grpo/seed-0": tmp_path}, ReportSettings())
    blocks = watch.blocks(data, SEED)
    assert not [block for block in blocks if isinstance(block, Figure)]
    assert "It rings at 1 of 1 checkpoint: grpo seed 0" in prose(blocks)
    assert "The warm-up already fails most of the set" in prose(blocks)
    assert [cell.text for cell in tables(blocks)["drift"].rows[0][4:]] == ["0.900", "+1.000", "\u2013", "\u2013"]
    assert watch.blocks(Data({}, ReportSettings()), []) == []
