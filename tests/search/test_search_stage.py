"""Searches of many prompts: by the stage, by the command, and what their tables must add up to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from rlpipe import artifacts, models
from rlpipe.commands.search import search_model
from rlpipe.engine.batched import complete_all, together
from rlpipe.engine.hf import HFEngine
from rlpipe.evaluate.prompt_subset import choose
from rlpipe.pipeline.stage import Context
from rlpipe.prompts import load_prompts
from rlpipe.search import searches as search_run
from rlpipe.search import strategies as searches
from rlpipe.search.metrics import SEARCH, curves, metric_rows
from rlpipe.search.scorers import likelihood, oracle
from rlpipe.search.searches import Searcher, resolve, separator_ids
from rlpipe.search.settings import METHODS, SAMPLED, SearchStageSettings
from rlpipe.stages.search import main
from rlpipe.types import Prompt, Sampling, Verdict, draw_seed
from tests.evaluate.policies import save_policy, save_prompts
from tests.search.scripted import PROMPT, Scripted, decode, score
from tests.search.scripted import verify as check

near = partial(pytest.approx, abs=1e-9)
SETTINGS = SearchStageSettings(
    budgets=(2, 4), max_new_tokens=8, step_tokens=3, separators=("Answer:",), repeats=2, bootstrap_draws=200, seed=3
)


def verify(prompt: Prompt, text: str, spec: Any = None) -> Verdict:
    """What a policy of random weights gets right often enough: to say `Answer:`, and its last word."""
    words = text.split()
    return Verdict(float("Answer:" in words), "ok", text, words[-1] if words else None)


@pytest.fixture(scope="module", autouse=True)
def easy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_run, "verify", verify)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of the stage, for a policy of few words that often says `Answer:`."""
    root = tmp_path_factory.mktemp("search")
    for name in ("curate", "train", "out"):
        (root / name).mkdir()
    save_prompts(root / "curate/prompts.parquet", 5)
    steps = dict.fromkeys(artifacts.STEPS.required, 0.0)
    artifacts.write(root / "train/metrics.parquet", artifacts.STEPS, [{**steps, "step": s} for s in range(5)])
    save_policy(root / "train/policy")
    inputs = {"curate": root / "curate", "train/grpo/seed-1": root / "train"}
    params = {"search": SETTINGS.model_dump(mode="json")}
    main(Context(params, {"run": "grpo", "seed": "1"}, inputs, root / "out", root / "scratch"))
    return root


@pytest.fixture(scope="module")
def table(made: Path) -> pl.DataFrame:
    return artifacts.read(made / "out/searches.parquet", SEARCH)


@pytest.fixture(scope="module")
def metrics(made: Path) -> pl.DataFrame:
    return artifacts.read(made / "out/metrics.parquet", artifacts.EVAL)


def test_the_stage_searches_every_prompt_by_every_method(table: pl.DataFrame, metrics: pl.DataFrame) -> None:
    sizes = {m: set(table.filter(pl.col("method") == m)["size"]) for m in SETTINGS.every_method}
    assert sizes == {m: set(SETTINGS.sizes(m)) for m in SETTINGS.every_method}
    assert table["prompt_id"].n_unique() == 5
    counts = table.group_by("method", "size", "prompt_id").len()["len"]
    assert set(counts) == {SETTINGS.repeats}
    assert set(metrics["run_id"]) == {"grpo/seed-1"}
    assert set(metrics["policy_step"]) == {5}
    assert {f"search:{m}" for m in SETTINGS.every_method} < set(metrics["metric"])


def test_a_search_of_one_is_a_plain_sample(made: Path, table: pl.DataFrame) -> None:
    model, tokenizer = models.load_policy(made / "train/policy")
    prompts = choose(load_prompts(made / "curate/prompts.parquet", "test"), None)
    engine, right = HFEngine(model, tokenizer), []
    for repeat in range(SETTINGS.repeats):
        seeds = [draw_seed(1000 * SETTINGS.seed + 2 * repeat, "search", p.id, "sample", 0) for p in prompts]
        drawn = complete_all(engine, [engine.encode(p.messages) for p in prompts], Sampling(8, 1.0), seeds)
        right += [verify(p, r.text).correct for p, r in zip(prompts, drawn, strict=True)]
    assert 0 < sum(right) < len(right)
    for method in SAMPLED:
        one = table.filter((pl.col("method") == method) & (pl.col("size") == 1)).sort("repeat", "prompt_id")
        assert one["selected"].to_list() == right
        assert one["oracle"].to_list() == right


def test_tokens_add_up(table: pl.DataFrame, metrics: pl.DataFrame) -> None:
    """A whole sample costs its length; a stepwise search all that was written, survivors or not."""
    whole = table.with_columns(pl.col("lengths").list.sum().alias("written"))
    sampled = whole.filter(pl.col("method").is_in(SAMPLED))
    assert (sampled["written"] == sampled["generated_tokens"]).all()
    # More samples are the same and others: their cost grows by just these.
    small, large = (sampled.filter(pl.col("size") == n).sort("method", "repeat", "prompt_id") for n in (2, 4))
    assert [x[:2] for x in large["lengths"].to_list()] == small["lengths"].to_list()
    assert (table["generated_tokens"] <= table["drawn_tokens"]).all()
    for row in metrics.filter(pl.col("metric").str.starts_with("search_size:")).iter_rows(named=True):
        method = row["metric"].partition(":")[2]
        own = table.filter((pl.col("method") == method) & (pl.col("size") == row["k"]))
        assert row["total_tokens"] == own["generated_tokens"].sum()
        assert row["value"] == near(own["selected"].mean())
        assert json.loads(row["info_json"])["generated_tokens"] == near(own["generated_tokens"].mean())


def test_no_method_spends_more_than_its_budget(table: pl.DataFrame, metrics: pl.DataFrame) -> None:
    plain = table.filter((pl.col("method") == "best_of_n") & (pl.col("size") == 4))
    unit = plain["generated_tokens"].mean() / 4
    seen = 0
    for row in metrics.filter(pl.col("metric").str.contains(":")).iter_rows(named=True):
        info = json.loads(row["info_json"])
        if row["metric"].startswith("search:") and row["benchmark"] == "all":
            assert info["budget_tokens"] == near(row["k"] * unit)
            if row["value"] is None:
                assert info["needs_tokens"] > info["budget_tokens"]
            else:
                assert info["tokens"] <= info["budget_tokens"] * (1 + 1e-9)
                seen += 1
        if row["metric"].startswith("diff:"):
            assert info["other_tokens"] <= info["tokens"] * (1 + 1e-9)
            assert info["p"] <= info["p_holm"] <= 1
    assert seen >= 10


def test_values_can_be_recomputed_from_the_table(made: Path, table: pl.DataFrame, metrics: pl.DataFrame) -> None:
    who = {"run_id": "grpo/seed-1", "model_id": "grpo/seed-1", "policy_step": 5, "split": "test"}
    again = metric_rows(table, SETTINGS, who)
    assert artifacts.to_table(again, artifacts.EVAL).equals(artifacts.to_table(metrics, artifacts.EVAL))
    for row in table.iter_rows(named=True):
        assert row["selected"] == row["correct"][row["chosen"]]
        assert row["oracle"] == any(row["correct"])
        assert row["answer"] == row["answers"][row["chosen"]]
        if row["method"] in ("best_of_n", "beam"):
            assert row["chosen"] == int(np.argmax(row["scores"]))
        if row["method"] == "weighted_vote":
            assert row["chosen"] == searches.vote(row["answers"], row["scores"])


def test_alone_it_writes_the_same_whatever_the_batches(made: Path, tmp_path: Path, capsys: Any) -> None:
    policy, prompts = made / "train/policy", made / "curate/prompts.parquet"
    rows = search_model(policy, prompts, tmp_path / "out", SETTINGS.model_copy(update={"batch_size": 16}))
    assert "self_consistency" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["metrics.parquet", "searches.parquet"]
    ours, theirs = (artifacts.read(p / "out/searches.parquet", SEARCH) for p in (tmp_path, made))
    # Scores are equal to rounding only: the batches had another size.
    apart = ("run_id", "model_id", "policy_step", "scores")
    assert ours.drop(apart).equals(theirs.drop(apart))
    scores = [table["scores"].drop_nulls().explode().to_numpy() for table in (ours, theirs)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert {r["metric"] for r in rows} == set(artifacts.read(made / "out/metrics.parquet", artifacts.EVAL)["metric"])


def test_an_interrupted_search_goes_on(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = SETTINGS.model_copy(update={"prompts_at_once": 3, "methods": ("beam",)})
    whole, rows, asked = Searcher.rows, [], []

    def failing(self: Searcher, *given: Any) -> Any:
        asked.append(1)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return whole(self, *given)

    monkeypatch.setattr(Searcher, "rows", failing)
    for _ in range(2):
        try:
            rows = search_model(made / "train/policy", made / "curate/prompts.parquet", tmp_path / "out", settings)
        except KeyboardInterrupt:
            assert not (tmp_path / "out/searches.parquet").exists()
    assert len(asked) == 5  # four chunks, the last of them twice
    assert rows
    found = artifacts.read(tmp_path / "out/searches.parquet", SEARCH).filter(pl.col("method") == "beam")
    theirs = artifacts.read(made / "out/searches.parquet", SEARCH).filter(pl.col("method") == "beam")
    key = ["prompt_id", "size", "repeat"]
    assert found.sort(key)["selected"].to_list() == theirs.sort(key)["selected"].to_list()


def test_a_smaller_limit_takes_the_first_of_a_larger_one(made: Path) -> None:
    prompts = load_prompts(made / "curate/prompts.parquet", "test")
    few, more, everything = (choose(prompts, limit) for limit in (1, 3, None))
    assert {p.id for p in few} <= {p.id for p in more} <= {p.id for p in everything} == {p.id for p in prompts}
    assert len(few) < len(everything)


# --- equal tokens ----------------------------------------------------------------------------------------------------


def test_methods_on_different_prompts_are_not_compared(table: pl.DataFrame) -> None:
    first = table["prompt_id"][0]
    short = table.filter((pl.col("method") != "beam") | (pl.col("prompt_id") != first))
    with pytest.raises(ValueError, match="beam of size 2 lacks"):
        curves(short)


# --- searching together ----------------------------------------------------------------------------------------------


# --- methods, scores, settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_every_method_of_the_settings_can_be_run(name: str) -> None:
    how = searches.SearchSettings(max_new_tokens=20, step_tokens=5, max_steps=8, separators=frozenset({1}))
    found = together([searches.search(resolve(name), Scripted(), decode, PROMPT, score, check, how, 4)])[0]
    assert len(found.particles) == 4
    assert ("lam_reconstructed" in found.method) == ("+" in name)
    assert found.method.startswith(name.partition("+")[0])


def test_the_scores() -> None:
    assert likelihood(PROMPT, "", [[-1.0, -2.0], [-3.0]]) == near(np.exp(-2.0))
    assert likelihood(PROMPT, "", []) == 0.5
    assert oracle(check)(PROMPT, "good ; good ; good", []) == 1.0
    assert oracle(check)(PROMPT, "good ; bad", []) == 0.5


def test_separators_are_tokens(made: Path) -> None:
    _, tokenizer = models.load_policy(made / "train/policy")
    assert separator_ids(tokenizer, ["Answer:"]) == {tokenizer.convert_tokens_to_ids("Answer:")}
    assert separator_ids(tokenizer, []) == frozenset()
    with pytest.raises(ValueError, match=r"separators holds '\\n\\n', and no token"):
        separator_ids(tokenizer, ["\n\n"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"methods": ["beams"]}, r"beams: name each of best_of_n"),
        ({"methods": ["epf", "epf"]}, r"a method twice"),
        ({"budgets": [16, 4]}, r"give increasing whole numbers"),
        ({"budgets": [3], "methods": ["beam"]}, r"\[3\] are no multiples of width = 2, which beam need"),
        ({"scorer": "judge"}, r"'likelihood', 'confidence' or 'verifier'"),
        ({"budget": [4]}, r"Extra inputs"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SearchStageSettings.model_validate(wrong)
    assert SearchStageSettings.model_validate({"budgets": [3], "methods": ["epf"]}).sizes("epf") == (1, 2, 3)


def test_no_prompts_is_an_error(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no prompts to evaluate in split 'exam'"):
        search_model(
            made / "train/policy",
            made / "curate/prompts.parquet",
            tmp_path,
            SETTINGS.model_copy(update={"split": "exam"}),
        )
