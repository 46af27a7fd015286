"""What the sections say, on artifacts whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.evaluate.diversity.measures import diversity_table
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.summaries import write_metrics
from rlpipe.report.blocks import Figure, Points, Prose, Section, Table
from rlpipe.report.inputs import WARM_UP, Data
from rlpipe.report.measures import Measured, decided
from rlpipe.report.sections import comparison, curves, entropy_law, overview, pass_at_k, verdicts
from rlpipe.report.settings import ReportSettings
from rlpipe.statistics.entropy_law import Law
from rlpipe.statistics.paired import Paired, paired
from tests.report import synthetic_rows
from tests.report.conftest import Made


def text(section: Section) -> str:
    """All prose of a section, and its captions."""
    parts = [section.summary]
    for block in section.blocks:
        if isinstance(block, Prose):
            parts.append(block.html)
        elif isinstance(block, Points):
            parts += block.items
        elif isinstance(block, Figure | Table):
            parts.append(block.caption)
    return " ".join(parts)


def table(section: Section, name: str) -> Table:
    return next(t for t in section.tables if t.name == name)


def test_the_overview_states_facts_of_the_artifacts(made: Made) -> None:
    said = text(made.sections["overview"])
    assert "346,000 weights (Qwen3, 3 layers, width 96)" in said
    assert "countdown (c2, c3) and expression (e2, e3)" in said
    assert "in 30 updates" in said
    assert "3 runs" in said
    assert "with 2 seeds each, for 30 steps of 3 prompts \u00d7 4 rollouts" in said
    assert "16 rollouts at temperature 1 for each of 20 prompts that neither stage trained on" in said
    assert "Two seeds per run are a demonstration, not evidence" in said


def test_held_out_is_claimed_only_where_it_is_so(data: Data) -> None:
    test = data.prompts.filter(pl.col("split") == "test")["prompt_id"].to_list()
    trained = data.prompts.filter(pl.col("split") == "train")["prompt_id"].to_list()
    assert overview.held_out(data, test)
    assert not overview.held_out(data, [*test, trained[0]])
    assert not overview.held_out(Data({}, data.settings), test)


def test_runs_stand_baseline_first_then_control(inputs: dict[str, Path]) -> None:
    assert Data(inputs, ReportSettings(baseline="grpo", control="grpo_low_lr")).runs == [
        "grpo",
        "grpo_low_lr",
        "clip_cov",
    ]
    assert Data(inputs, ReportSettings(baseline="clip_cov")).runs == ["clip_cov", "grpo", "grpo_low_lr"]
    assert Data(inputs, ReportSettings(baseline="absent")).baseline == "clip_cov"


def test_levels_are_means_over_seeds_and_prompts(measured: Measured, data: Data) -> None:
    frames = [pl.read_parquet(data.inputs[f"evaluate/grpo/seed-{seed}"] / "samples.parquet") for seed in (0, 1)]
    mean = np.mean([frame["acc"].mean() for frame in frames])
    found = measured.level("grpo", measured.measures[0])
    assert found.value == pytest.approx(mean, abs=1e-12)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


def test_differences_are_those_of_the_evaluation(measured: Measured) -> None:
    a, b, s = measured.values("grpo", "pass@1"), measured.values("clip_cov", "pass@1"), measured.settings
    found = paired(a, b, s.interval, s.confidence, s.bootstrap_draws, s.flip_draws, s.seed, True)[0]
    same = measured.difference("clip_cov", "grpo", "pass@1")
    assert (same.p, same.test, same.num_problems) == (found.p, found.test, 20)
    assert (same.value, same.low, same.high) == pytest.approx((found.value, found.low, found.high), abs=1e-9)


def test_p_values_are_adjusted_in_two_families(measured: Measured) -> None:
    adjusted = measured.adjusted()
    assert ("clip_cov", "grpo_low_lr") in measured.pairs()  # the control that a method has to beat
    assert len(measured.pairs()) == 6
    assert len(adjusted) == 6 * len(measured.measures)
    raw = {key: measured.difference(*key).p for key in adjusted}
    assert all(adjusted[key] >= raw[key] for key in adjusted)
    primary = sorted((key for key in adjusted if key[2] == "pass@1"), key=lambda key: raw[key])
    assert adjusted[primary[0]] == pytest.approx(min(1.0, 6 * raw[primary[0]]))


def test_the_best_is_marked_only_where_it_surely_is(measured: Measured) -> None:
    marked = {m.name: comparison.surely_best(measured, m) for m in measured.measures}
    assert marked["token_entropy"] is None
    assert marked["response_length"] is None
    for name, best in marked.items():
        if best is not None:
            others = [policy for policy in measured.policies if policy != best]
            assert all(decided(measured.difference(best, other, name)) > 0 for other in others)
            assert all(measured.difference(best, other, name).p <= 0.05 for other in others)


def test_an_interval_alone_decides_nothing() -> None:
    found = Paired(0.01, 0.01, 0.0003, 0.1, "bootstrap_t", 1.0, "sign-flip", 120)
    assert decided(found) == 0
    assert decided(replace(found, p=0.01)) == 1
    assert decided(replace(found, low=-0.2, high=-0.1, p=0.05)) == -1
    assert decided(replace(found, low=None, p=0.01)) == 0


def test_a_clear_winner_is_marked_and_a_tie_is_not(tmp_path: Path) -> None:
    measured = Measured(Data(pair_of_runs(tmp_path, lifted=True), ReportSettings(baseline="a")))
    assert comparison.surely_best(measured, measured.measures[0]) == "b"
    measured = Measured(Data(pair_of_runs(tmp_path / "tie", lifted=False), ReportSettings(baseline="a")))
    assert comparison.surely_best(measured, measured.measures[0]) is None


def pair_of_runs(root: Path, lifted: bool) -> dict[str, Path]:
    """Two runs evaluated on 20 prompts: equal rollouts, or all of the second run's correct."""
    size, inputs = synthetic_rows.Size(), {}
    for run in ("a", "b"):
        out = inputs[f"evaluate/{run}/seed-0"] = root / run
        out.mkdir(parents=True)
        rows = synthetic_rows.rollout_rows(
            np.random.default_rng(3), synthetic_rows.problems(size, 2), 8, run, 1, 1.0, 0.0, 0.3
        )
        if lifted and run == "b":
            rows = [row | {"acc": True, "canonical_answer": "x"} for row in rows]
        artifacts.write(out / "samples.parquet", artifacts.ROLLOUTS, rows)
        write_metrics(out, EvaluateSettings())
    return inputs


def test_verdicts_follow_the_intervals(measured: Measured) -> None:
    said = dict(zip(measured.runs, verdicts.verdicts(measured), strict=True))
    assert "Against the warm-up it keeps less token entropy" in said["grpo"]
    assert "of the warm-up\u2019s token entropy" in said["grpo"]
    assert "keeps more token entropy (+" in said["clip_cov"]
    assert "the control" in said["clip_cov"]
    assert "the control" not in said["grpo"]
    for measure in verdicts.headline(measured):
        found = measured.difference("clip_cov", "grpo", measure.name)
        sentence = verdicts.sentence(measured, "clip_cov", "grpo")
        label = measure.label.lower() if measure.name == verdicts.ENTROPY else measure.label
        settled, _, rest = sentence.partition("not distinguishable")
        assert (f"{label} (" in settled) == (decided(found) != 0)
        assert (f"{label} (" in rest) == (decided(found) == 0)


def test_a_run_that_never_acted_is_said_to_be_equal(tmp_path: Path) -> None:
    settings = ReportSettings(baseline="a")
    tie = Measured(Data(pair_of_runs(tmp_path / "tie", lifted=False), settings))
    assert "Equal to a in every number of every prompt and seed" in verdicts.verdicts(tie)[1]
    lifted = Measured(Data(pair_of_runs(tmp_path / "lifted", lifted=True), settings))
    assert "Equal to" not in verdicts.verdicts(lifted)[1]


def test_cost_is_in_the_table_of_runs(made: Made) -> None:
    rows = {row[0].sort: row[-1] for row in table(made.sections["comparison"], "levels").rows}
    assert rows["grpo"].text == "1.8 min"
    assert rows["clip_cov"].below == "1.00\u00d7 grpo"
    assert rows[WARM_UP].below == "supervised"


def test_a_resumed_run_counts_the_seconds_of_its_steps(inputs: dict[str, Path], tmp_path: Path) -> None:
    root = tmp_path / "seed-0"
    root.mkdir()
    rows = [{"step": i, "seconds_sample": 2.0, "seconds_update": 1.0} for i in range(10)]
    artifacts.write(root / "timings.parquet", artifacts.TIMINGS, rows)
    artifacts.write_json(root / "environment.json", {"resumed": True, "wall_seconds": 3.0})
    data = Data({"train/grpo/seed-0": root}, ReportSettings())
    assert data.wall_seconds("train/grpo/seed-0") == 30.0


def test_random_rewards_that_teach_are_flagged(inputs: dict[str, Path]) -> None:
    runs = {run: {"methods": ["grpo", "random_reward"] if run == "grpo" else ["grpo"]} for run in synthetic_rows.RUNS}
    data = Data(inputs, ReportSettings(), {"runs": runs})
    notes = comparison.taught_by_chance(Measured(data))
    assert len(notes) == 1
    assert "Under random rewards (grpo) pass@1 rises on rlpipe/" in notes[0].html


def test_curves_are_centred_means_that_skip_what_is_not_there() -> None:
    values = {"reward": [0.0, 1.0, None, 3.0], "token_entropy": [1.0] * 4}
    frame = pl.DataFrame({"seed": [0] * 4, "step": range(4), **values})
    other = frame.with_columns(pl.lit(1, pl.Int64).alias("seed"), pl.lit(5.0).alias("reward"))
    rows = curves.curves({"a": pl.concat([frame, other])}, 3)
    first = rows.filter(pl.col("seed") == 0)["reward"].to_list()
    assert first == [0.5, 0.5, 2.0, 3.0]
    mean = rows.filter(pl.col("seed").is_null())["reward"].to_list()
    assert mean == [2.75, 2.75, 3.5, 4.0]


def test_long_runs_are_thinned_out() -> None:
    frame = pl.DataFrame({"seed": [0] * 20_000, "step": range(20_000), "reward": [0.5] * 20_000})
    rows = curves.curves({"a": frame, "b": frame}, 10)
    assert 1000 < len(rows) <= curves.POINTS_PER_CHART


def test_the_ring_lies_where_the_curves_meet(measured: Measured) -> None:
    for row in pass_at_k.meetings(measured).iter_rows(named=True):
        grid = [row["k"], measured.n]
        before, after = (pass_at_k._mean_curve(measured, p, grid) for p in (WARM_UP, row["run"]))
        assert (before >= after - 1e-12).all()
        assert row["value"] == pytest.approx(after[0])


def test_the_law_is_called_unidentified_where_others_fit_as_well() -> None:
    law = Law(1.0, 2.0, 0.90, 0.01, 20, alternatives={"linear in H": 0.895, "log(step)": 0.5})
    assert entropy_law.rivals(law) == ["linear in H"]
    assert "It is not identified" in entropy_law.conclusion({("grpo", 0): law})
    alone = replace(law, alternatives={"linear in H": 0.6})
    assert "not identified" not in entropy_law.conclusion({("grpo", 0): alone})
    assert "fitted to no run" in entropy_law.conclusion({})


def test_no_law_for_a_run_that_acts_on_entropy(made: Made) -> None:
    assert entropy_law.intervention(["grpo", "clip_cov"]) == "clip_cov"
    assert entropy_law.intervention(["dr_grpo"]) is None
    caption = table(made.sections["entropy-law"], "entropy-law-fits").caption
    assert "clip_cov seed 0 and clip_cov seed 1: clip_cov acts on entropy" in caption


def test_contamination_shows_verdicts_overlap_probes_and_drift(made: Made) -> None:
    section = made.sections["contamination"]
    assert {t.name for t in section.tables} == {"verdicts", "overlap", "clean", "auc-named", "auc-all", "drift"}
    assert [f.name for f in section.figures] == ["roc", "auc", "watch"]
    assert len(table(section, "overlap").rows) == 2
    assert "3.5 times" in text(section)
    named = table(section, "auc-named").numbers
    assert named is not None
    assert set(named["what"]) == {"run", "control", "difference"}
    assert set(named["method"]) == {"self_critique"}


def test_diversity_is_that_of_the_evaluation(made: Made, measured: Measured) -> None:
    samples = pl.read_parquet(made.inputs["evaluate/sft"] / "samples.parquet")
    mean = diversity_table(samples)["vendi_q1"].mean()
    numbers = table(made.sections["diversity"], "diversity").numbers
    assert numbers is not None
    found = numbers.filter((pl.col("run") == WARM_UP) & (pl.col("measure") == "vendi_q1"))
    assert found["value"].item() == pytest.approx(mean)
    assert found["ci_lo"].item() < mean < found["ci_hi"].item()


def test_support_counts_every_prompt_once(made: Made) -> None:
    numbers = table(made.sections["support"], "support").numbers
    assert numbers is not None
    totals = numbers.select(pl.sum_horizontal("preserved", "expanded", "shrunk", "out")).to_series()
    assert totals.to_list() == pytest.approx([20.0] * len(numbers))
    assert numbers.filter(pl.col("subset") == "control").height == 2


def test_picking_starts_at_pass_at_one(made: Made, measured: Measured) -> None:
    rows = made.sections["search"].figures[0].data["search"]
    assert set(rows["strategy"]) == {"any correct", "majority", "likeliest"}
    first = rows.filter((pl.col("run") == "grpo") & (pl.col("k") == 1) & (pl.col("strategy") == "likeliest"))
    assert first["value"].item() == pytest.approx(measured.values("grpo", "pass@1").mean())


def test_three_seeds_have_intervals_that_cover_seeds(inputs: dict[str, Path]) -> None:
    measured = Measured(Data(inputs, ReportSettings()))
    run = measured.runs[0]
    (alone,) = measured.means(run, ["pass@1"])
    table = measured.tables[run][0]
    shifts = (-0.2, 0.0, 0.2)
    measured.tables[run] = [table.with_columns(pl.col("pass@1") * 0.5 + 0.25 + s) for s in shifts]
    (both,) = measured.means(run, ["pass@1"])
    assert (alone.covers, both.covers) == ("prompts", "prompts and seeds")
    assert both.high - both.low > 2 * (alone.high - alone.low) or both.high == 1.0  # type: ignore[operator]
