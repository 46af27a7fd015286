"""eval/1 rows out of rollouts alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rlpipe import artifacts
from rlpipe.evaluate.diversity.measures import diversity_table
from rlpipe.evaluate.problems import mean_over_seeds, metric, problem_table, read_samples
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.summaries import passes, policies, summarise, write_metrics
from rlpipe.statistics.intervals import t_interval
from rlpipe.statistics.pass_at_k import pass_at_k
from tests.evaluate.rollouts import rollouts, write

FAST = EvaluateSettings(samples=16, bootstrap_draws=500, flip_draws=1000)


def summed_up(samples: pl.DataFrame, settings: EvaluateSettings, split: str | None = None) -> list[dict]:
    return summarise(policies(samples, settings), settings, split)


def value(rows: list[dict], benchmark: str, label: str) -> dict:
    m = metric(label)
    (found,) = [r for r in rows if (r["benchmark"], r["metric"], r["k"]) == (benchmark, m.name, m.k)]
    return found


def test_rows_have_the_schema_and_the_counts() -> None:
    samples = rollouts()
    rows = summed_up(samples, FAST, "test")
    artifacts.to_table(rows, artifacts.EVAL)
    row = value(rows, "all", "pass@4")
    c = samples.group_by("prompt_id").agg(pl.col("acc").sum()).sort("prompt_id")["acc"].to_numpy()
    assert row["value"] == pytest.approx(pass_at_k(c, 16, [4]).mean())
    assert (row["n_problems"], row["n_samples"], row["split"], row["policy_step"]) == (12, 16, "test", 10)
    assert row["total_tokens"] == samples["n_response_tokens"].sum()
    assert row["truncation_rate"] == pytest.approx((samples["finish_reason"] == "length").mean())
    assert row["no_answer_rate"] == pytest.approx(samples["canonical_answer"].is_null().mean())
    assert row["ci_lo"] < row["value"] < row["ci_hi"]


def test_diversity_is_measured_by_source_and_level_where_there_are_texts() -> None:
    samples = rollouts()
    words = pl.concat_str("response", pl.col("canonical_answer").fill_null("nothing"), separator=" ")
    varied = samples.with_columns(pl.when(pl.col("data_source") == "rlpipe/a").then(words).otherwise("response"))
    rows = summed_up(varied, FAST)
    table = diversity_table(varied)
    for name in ("vendi_q1", "vendi_q2", "distinct_1", "distinct_2", "self_bleu", "answer_vendi"):
        expected = table[name].drop_nulls()
        if len(expected):
            assert value(rows, "all", name)["value"] == pytest.approx(expected.mean())
    mixed, same = (value(rows, source, "vendi_q1") for source in ("rlpipe/a", "rlpipe/b"))
    assert mixed["ci_lo"] < mixed["value"] < mixed["ci_hi"]
    assert mixed["value"] > 1.2
    assert same["value"] == pytest.approx(1.0)
    assert value(rows, "rlpipe/a:easy", "vendi_q1")["n_problems"] == 3
    without = {r["metric"] for r in summed_up(samples.drop("response"), FAST)}
    assert without.isdisjoint(table.columns)


def test_benchmarks_are_all_sources_and_levels() -> None:
    rows = summed_up(rollouts(), FAST)
    names = list(dict.fromkeys(r["benchmark"] for r in rows))
    assert names == ["all", "rlpipe/a", "rlpipe/a:easy", "rlpipe/a:hard", "rlpipe/b", "rlpipe/b:easy", "rlpipe/b:hard"]
    parts = [value(rows, b, "pass@1") for b in ("rlpipe/a", "rlpipe/b")]
    whole = np.average([p["value"] for p in parts], weights=[p["n_problems"] for p in parts])
    assert value(rows, "all", "pass@1")["value"] == pytest.approx(whole)
    assert json.loads(value(rows, "rlpipe/a:hard", "pass@1")["info_json"])["level"] == "hard"


def test_every_metric_named_in_the_docs_is_there() -> None:
    found = {(r["metric"], r["k"]) for r in summed_up(rollouts(), FAST) if r["benchmark"] == "all"}
    for name in ("pass@k", "pass^k", "majority@k", "best_of@k"):
        assert {(name, k) for k in (1, 2, 4, 8, 16)} <= found
    single = "consensus weighted_vote answer_entropy answer_entropy_corrected token_entropy distinct_correct"
    single += " response_length truncation_rate no_answer_rate verifier_error_rate"
    assert {(name, None) for name in single.split()} <= found
    assert ("mean@k", 16) in found


def test_few_problems_carry_the_t_interval_and_high_k_a_doubt() -> None:
    samples = rollouts()
    rows = summed_up(samples, FAST)
    info = json.loads(value(rows, "all", "pass@1")["info_json"])
    low, high = t_interval(problem_table(samples)["pass@1"].to_numpy())
    assert info["t_interval"] == pytest.approx([low[0], high[0]])
    assert info["sampling_se"] > 0
    assert "noisy" in json.loads(value(rows, "all", "pass@16")["info_json"])
    assert "noisy" not in json.loads(value(rows, "all", "pass@8")["info_json"])


def test_verifier_errors_count_as_wrong_and_are_reported() -> None:
    samples = rollouts()
    failed = pl.col("verifier_status").replace("wrong", "timeout")
    rows = summed_up(samples.with_columns(failed), FAST)
    assert value(rows, "all", "pass@1")["value"] == value(summed_up(samples, FAST), "all", "pass@1")["value"]
    assert value(rows, "all", "verifier_error_rate")["value"] == pytest.approx(
        (samples["verifier_status"] == "wrong").mean()
    )


def test_passes_are_the_samples_of_one_index() -> None:
    samples = rollouts()
    quality, cost = passes(samples, problem_table(samples))
    assert sorted(quality) == ["rlpipe/a:easy", "rlpipe/a:hard", "rlpipe/b:easy", "rlpipe/b:hard"]
    third = samples.filter(
        (pl.col("sample_index") == 3) & (pl.col("data_source") == "rlpipe/a") & (pl.col("difficulty") == "easy")
    )
    assert quality["rlpipe/a:easy"][3] == pytest.approx(third["acc"].mean())
    assert cost is not None
    assert cost["rlpipe/a:easy"][3] == third["n_response_tokens"].sum()
    both = [r for r in summed_up(samples, FAST) if r["metric"] == "mean_of_passes"]
    assert [r["ci_method"] for r in both] == ["one_pass_interval", "interval_of_mean"]
    one, mean = both
    assert one["ci_hi"] - one["ci_lo"] > mean["ci_hi"] - mean["ci_lo"]


def test_the_order_of_rows_and_equal_runs_make_equal_bytes(tmp_path: Path) -> None:
    samples = rollouts()
    for name, frame in (("a", samples), ("b", samples.sample(fraction=1.0, shuffle=True, seed=3))):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "samples.parquet", frame)
        write_metrics(tmp_path / name, FAST)
    a, b = ((tmp_path / name / "metrics.parquet").read_bytes() for name in "ab")
    assert a == b


def test_a_row_per_prompt_is_kept_for_all_powers_whatever_ks_are_summed_up(tmp_path: Path) -> None:
    varied = rollouts()
    write(tmp_path / "samples.parquet", varied)
    rows = write_metrics(tmp_path, FAST.model_copy(update={"ks": (4,)}))
    assert {r["k"] for r in rows if r["metric"] == "pass@k"} == {4}
    kept = artifacts.read(tmp_path / "problems.parquet", artifacts.PROBLEMS)
    assert {f"pass@{k}" for k in (1, 2, 4, 8, 16)} | {"vendi_q1", "self_bleu"} <= set(kept.columns)
    assert kept["run_id"].unique().to_list() == varied["run_id"].unique().to_list()
    assert kept["pass@4"].mean() == pytest.approx(value(rows, "all", "pass@4")["value"])


def test_rollouts_of_others_may_lack_what_we_record(tmp_path: Path) -> None:
    """Several steps, fewer samples in one, no entropies, no status, no length: what cannot be known is left out."""
    first = rollouts(samples=4)
    second = rollouts(samples=3, seed=1).with_columns(pl.lit(11).cast(pl.Int64).alias("policy_step"))
    gone = ["entropies", "logprobs", "verifier_status", "n_response_tokens"]
    types = {name: first.schema[name] for name in gone}
    frame = pl.concat([first, second]).with_columns(pl.lit(None, dtype=t).alias(n) for n, t in types.items())
    rows = summed_up(read_samples(write(tmp_path / "r.parquet", frame)), FAST)
    artifacts.to_table(rows, artifacts.EVAL)
    assert {r["policy_step"]: r["n_samples"] for r in rows} == {10: 4, 11: 3}
    names = {r["metric"] for r in rows}
    assert {"pass@k", "majority@k", "no_answer_rate"} <= names
    assert not {"token_entropy", "best_of@k", "weighted_vote", "response_length", "verifier_error_rate"} & names


def test_uneven_samples_use_the_fewest() -> None:
    samples = rollouts().filter((pl.col("prompt_id") != "p003") | (pl.col("sample_index") < 5))
    table = problem_table(samples)
    assert [c for c in table.columns if c.startswith("pass@")] == ["pass@1", "pass@2", "pass@4"]
    assert not any(c.startswith("mean@") for c in table.columns)
    assert not [r for r in summed_up(samples, FAST) if r["metric"] == "mean_of_passes"]


def test_mean_over_seeds_is_per_prompt() -> None:
    tables = [problem_table(rollouts(seed=s)) for s in (0, 1)]
    mean = mean_over_seeds(tables)
    assert mean["pass@2"].to_list() == pytest.approx(((tables[0]["pass@2"] + tables[1]["pass@2"]) / 2).to_list())
    with pytest.raises(ValueError, match="share no prompt"):
        mean_over_seeds([tables[0], tables[1].with_columns(pl.lit("x").alias("prompt_id"))])


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no rollout"):
        read_samples(write(tmp_path / "r.parquet", rollouts().head(0)))
