"""The collapse alarm in the report: which curves it rang on, at which step, and what it says where it cannot look."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.report.blocks import Prose, Section
from rlpipe.report.inputs import Data
from rlpipe.report.sections import collapse, curves
from rlpipe.report.settings import ReportSettings
from rlpipe.statistics.reliability.early_warning import watch
from tests.report.conftest import Made
from tests.report.test_page import validate
from tests.statistics.reliability.test_early_warning import noise, slowing_down

RINGS = next(seed for seed in range(60) if watch(slowing_down(200, seed)).rang)


def written(root: Path, run: str, seed: int, series: dict[str, Any]) -> dict[str, Path]:
    """`metrics.parquet` of a run with these series, other columns 0."""
    folder = root / run / str(seed)
    folder.mkdir(parents=True)
    steps = max(map(len, series.values()))
    needed = {f.name: [0.0] * steps for f in artifacts.STEPS.arrow() if f.name != "step" and not f.nullable}
    frame = pl.DataFrame({"step": list(range(steps))} | needed | {name: list(x) for name, x in series.items()})
    artifacts.write(folder / "metrics.parquet", artifacts.STEPS, frame)
    return {f"train/{run}/seed-{seed}": folder}


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, Path]:
    loud = {"token_entropy": slowing_down(200, RINGS), "reward": noise(0.3, 200, 1), "grad_norm": noise(0.0, 200, 2)}
    loud["grad_norm"][[120, 122]] += 30.0
    quiet = {name: noise(0.3, 79, i) for i, name in enumerate(collapse.WATCHED)}
    return written(tmp_path, "loud", 0, loud) | written(tmp_path, "quiet", 3, quiet)


def said(section: Section) -> str:
    return " ".join(block.html for block in section.blocks if isinstance(block, Prose))


def test_an_alarm_is_in_the_table_and_on_the_curve_at_the_last_step_it_saw(watched: dict[str, Path]) -> None:
    section = curves.build(Data(watched, ReportSettings()))
    numbers = next(t.numbers for t in section.tables if t.name == "collapse-alarm")
    assert numbers is not None
    rung = {(r["run"], r["metric"], r["rule"]): r for r in numbers.iter_rows(named=True)}
    expected = watch(slowing_down(200, RINGS))
    found = rung["loud", "token_entropy", "slowing down"]
    assert found["rang"] == [n - 1 for n in expected.rang] != []
    assert (found["looks"], found["false_alarms"]) == (7, expected.chance)
    assert rung["loud", "reward", "slowing down"]["rang"] == []
    assert rung["loud", "grad_norm", "spikes"]["rang"] == [122]
    drawn = section.figures[0].data["alarms"].filter(pl.col("metric") == "token_entropy")
    assert drawn.filter(pl.col("rule") == "slowing down")["step"].to_list() == found["rang"]
    assert f"It rings in 1 of 3 series: loud seed 0 (token entropy, step {found['rang'][0]})" in said(section)
    for spec in section.figures[0].charts:
        validate(spec)
    drawn_in = [i for i, spec in enumerate(section.figures[0].charts) if "alarms" in str(spec)]
    titles = [section.figures[0].panels[i].split(" <")[0] for i in drawn_in]
    assert titles == ["Token entropy", "Gradient norm"]  # the reward's panel has nothing to show


def test_a_run_that_is_too_short_says_what_it_needs(watched: dict[str, Path], made: Made) -> None:
    section = curves.build(Data(watched, ReportSettings()))
    table = next(t for t in section.tables if t.name == "collapse-alarm")
    rows = [row for row in table.rows if "quiet" in row[0].text]
    assert {row[2].below for row in rows} == {"not computable: needs 80 steps that vary"}
    assert {row[4].text for row in rows} == {"silent"}  # 79 steps are enough for spikes
    assert "Not computable here: a series needs 80 steps that vary" in made.page  # 30 steps
    exported = pl.read_parquet(made.out / "tables" / "collapse-alarm.parquet")
    assert exported["computable"].to_list() == [False] * len(exported)
    assert len(exported) == 3 * 2 * 3 * 2  # runs, seeds, series, rules


def test_a_new_phase_and_a_learning_rate_that_rises_begin_the_series_anew(watched: dict[str, Path]) -> None:
    runs = {"loud": {"phases": [{"until": 0.5, "methods": ["grpo"]}, {"methods": ["dapo"]}]}}
    data = Data(watched, ReportSettings(), {"runs": runs, "train": {"warmup_steps": 10}})
    assert collapse.changes(data, "loud", 200) == [10, 100]
    assert collapse.changes(data, "quiet", 79) == [10]
    found = collapse.alarms(data, {"loud": data.steps("loud")}).filter(pl.col("rule") == "slowing down")
    assert found["looks"].to_list() == [3] * 3  # after 80 of the 90 steps of phase one, and 80 and 100 of phase two


def test_steps_without_a_value_are_passed_over(tmp_path: Path) -> None:
    values = slowing_down(200, RINGS).tolist()
    with_gaps = [None, None, *values]
    frame = pl.DataFrame({"step": range(202), "seed": [0] * 202, "token_entropy": with_gaps})
    found = collapse.alarms(Data({"train/a/seed-0": tmp_path}, ReportSettings()), {"a": frame})
    assert found["rang"].to_list()[0] == [n + 1 for n in watch(np.array(values)).rang]


def test_it_is_cheap(watched: dict[str, Path]) -> None:
    data = Data(watched, ReportSettings())
    frames = {"loud": data.steps("loud")}
    collapse.alarms(data, frames)
    start = time.perf_counter()
    collapse.alarms(data, frames)
    assert time.perf_counter() - start < 0.5
