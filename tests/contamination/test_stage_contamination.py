"""The stage and the stand-alone commands from files to files, with a toy policy on real task prompts."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import torch

from rlpipe import artifacts, models
from rlpipe.commands.contamination import contamination_model, contamination_overlap
from rlpipe.contamination.probes.detectors import DETECTORS, score_probes
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.curricula.plant import choose_twins
from rlpipe.overlap import normalize
from rlpipe.pipeline.stage import Context
from rlpipe.prompts import load_prompts
from rlpipe.stages.contamination import main
from rlpipe.tasks import countdown
from rlpipe.types import Prompt
from tests.contamination.test_membership import rollout
from tests.contamination.toy import SHAPE, prompt_row

SETTINGS = {
    "prompts_per_class": 6,
    "benchmark_prompts": 4,
    "second_response": {"kind": "marker"},
    "noise": "words",
    "max_new_tokens": 8,
    "samples": 2,
    "bootstrap_draws": 100,
    "completion": {"prompts": 4},
    "drift": {"prompts": 6},
    "exploratory_below": 4,
}


def problems(n: int, seed: int) -> list[Prompt]:
    rng, found = random.Random(seed), {}
    while len(found) < n:
        p = countdown.generate(rng, "c3")
        messages = ({"role": "user", "content": p.text},)
        identity = normalize.prompt_id(messages)
        found[identity] = Prompt(identity, messages, p.answer, "rlpipe/countdown", p.level)
    return list(found.values())


@dataclass
class World:
    curate: Path
    sft: Path
    train: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("world")
    made = World(root / "curate", root / "sft", root / "train")
    for directory in (made.curate, made.sft, made.train):
        directory.mkdir()
    prompts = problems(60, seed=0)
    splits = {"demonstration": prompts[:15], "train": prompts[15:30], "probe": prompts[30:50], "test": prompts[50:]}
    rows = [prompt_row(p, split) for split, chosen in splits.items() for p in chosen]
    artifacts.write(made.curate / "prompts.parquet", artifacts.PROMPTS, rows)
    tokenizer = models.word_tokenizer([*countdown.words(), "otherwise"], SHAPE.max_length)
    for directory, seed in ((made.sft, 0), (made.train, 1)):
        model = models.from_scratch(SHAPE, tokenizer, seed)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(5.0 if weight.dim() > 1 else 1.0)
        models.save_policy(model, tokenizer, directory / "policy")
    met = [rollout(p.id, s, 0, i, float(i)) for s, p in enumerate(splits["train"][:10]) for i in range(2)]
    artifacts.write(made.train / "rollouts.parquet", artifacts.ROLLOUTS, met)
    return made


def run(
    world: World, out: Path, plant: dict[str, int] | None = None
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    out.mkdir()
    params = {"contamination": SETTINGS, "runs": {"grpo": {"methods": ["grpo"], **({"plant": plant} if plant else {})}}}
    inputs = {"curate": world.curate, "sft": world.sft, "train/grpo/seed-0": world.train}
    main(Context(params, {"run": "grpo", "seed": "0"}, inputs, out, out / "scratch"))
    assert sorted(p.name for p in out.iterdir()) == ["metrics.parquet", "overlap.parquet", "probes.parquet"]
    tables = (("overlap", artifacts.CONTAMINATION), ("probes", artifacts.PROBES), ("metrics", artifacts.EVAL))
    return tuple(artifacts.read(out / f"{name}.parquet", schema) for name, schema in tables)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    return run(world, tmp_path_factory.mktemp("made") / "out")


def test_the_same_prompts_are_asked_under_the_run_and_the_warm_up(
    world: World, made: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
) -> None:
    probes = made[1]
    assert set(probes["model_id"]) == {"grpo/seed-0", "sft"}
    by_model = [set(part["prompt_id"]) for _, part in probes.group_by("model_id")]
    assert by_model[0] == by_model[1]
    assert len(by_model[0]) == 6 + 6 + 4
    split = {p.id: s for s in ("train", "probe", "test") for p in load_prompts(world.curate / "prompts.parquet", s)}
    roles = {r["eval_id"]: json.loads(r["info_json"])["role"] for r in score_probes(probes)}
    assert {(split[p], role) for p, role in roles.items()} == {
        ("train", "member"),
        ("probe", "nonmember"),
        ("test", "suspect"),
    }


def test_metrics_hold_both_policies_and_their_difference(made: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]) -> None:
    metrics = made[2]
    count = Counter(metrics["metric"])
    assert count["auc:greedy_entropy"] == 4  # two policies, members and suspects
    assert count["diff:auc:greedy_entropy"] == 2
    assert {m.split(":")[1] for m in count if m.startswith("auc:")} <= set(DETECTORS)
    auc = metrics.filter((pl.col("metric") == "auc:greedy_entropy") & (pl.col("split") == "train"))
    for row in auc.iter_rows(named=True):
        info = json.loads(row["info_json"])
        assert row["ci_lo"] <= row["value"] <= row["ci_hi"]
        assert info["direction"] == -1
        assert info["one_minus_auc"] == pytest.approx(1 - row["value"])
        assert (info["n_members"], info["n_nonmembers"]) == (6, 6)
    alarms = metrics.filter(pl.col("metric") == "tpr@5%fpr:greedy_entropy")["info_json"].to_list()
    assert json.loads(alarms[0])["false_alarms_allowed"] == 0
    assert count["drift:format"] == 1
    assert count["completion"] == 2
    exposure = metrics.filter(pl.col("metric") == "exposure")
    assert exposure["value"].to_list() == [1.0]


def test_the_watch_looks_at_every_policy_kept_on_the_way(
    world: World, made: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    kept = World(world.curate, world.sft, tmp_path / "train")
    shutil.copytree(world.train, kept.train)
    shutil.copytree(world.sft / "policy", kept.train / "snapshots" / "step-4")  # nothing has changed yet
    shutil.copytree(world.train / "policy", kept.train / "snapshots" / "step-12")
    _, probes, metrics = run(kept, tmp_path / "out")
    rows = metrics.filter(pl.col("metric") == "drift:format").sort("policy_step").to_dicts()
    alone = made[2].filter(pl.col("metric") == "drift:format").to_dicts()
    assert [row["policy_step"] for row in alone] == [10]
    assert [row["policy_step"] for row in rows] == [4, 10, 12]
    assert [json.loads(row["info_json"])["looks"] for row in rows] == [3] * 3
    assert len({json.loads(row["info_json"])["cost_before"] for row in rows}) == 1
    first, end, same = rows
    assert (first["value"], first["ci_lo"], first["ci_hi"]) == (0.0, 0.0, 0.0)
    assert (same["value"], same["ci_hi"]) == (end["value"], end["ci_hi"])
    assert end["value"] == alone[0]["value"]
    assert end["ci_hi"] >= alone[0]["ci_hi"]  # three looks share the error that one had to itself
    assert probes.equals(made[1])
    others = [frame.filter(~pl.col("metric").str.starts_with("drift")) for frame in (metrics, made[2])]
    assert others[0].equals(others[1])


def test_the_overlap_table_ends_with_verdicts_that_have_reasons(
    made: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame],
) -> None:
    overlap = made[0]
    assert overlap["record_type"].to_list()[-2:] == ["summary", "verdict"]
    last = overlap.row(-1, named=True)
    assert last["eval_set"] == "rlpipe/countdown"
    assert last["decision"] in {"clean", "review", "contaminated", "unknown"}
    assert "none of 10 prompts is among the training prompts" in last["reason"]
    assert "Self-Critique: AUC" in last["reason"]
    assert "completed word for word" in last["reason"]


def test_a_second_run_gives_the_same_bytes(
    world: World, made: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], tmp_path: Path
) -> None:
    for first, again in zip(made, run(world, tmp_path / "again"), strict=True):
        assert first.equals(again)


def test_a_planted_run_and_its_clean_twin_have_the_same_members(world: World, tmp_path: Path) -> None:
    planted, left_out = choose_twins(load_prompts(world.curate / "prompts.parquet", "probe"), 5, seed=0)
    labels = []
    for epochs in (8, 0):
        _, probes, metrics = run(world, tmp_path / str(epochs), {"members": 5, "epochs": epochs})
        found = probes.filter((pl.col("pass") == "greedy") & (pl.col("model_id") == "sft"))
        train = {r["eval_id"]: r["label"] for r in score_probes(found) if r["label"] is not None}
        assert {p for p, label in train.items() if label} == {p.id for p in planted}
        assert {p for p, label in train.items() if not label} == {p.id for p in left_out}
        labels.append(train)
        info = json.loads(metrics.filter(pl.col("metric") == "exposure")["info_json"][0])
        assert (info["plant_members"], info["plant_epochs"]) == (5, epochs)
    assert labels[0] == labels[1]


def test_alone_a_model_and_two_files(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members, others = tmp_path / "members.jsonl", tmp_path / "others.parquet"
    chosen = problems(10, seed=5)
    lines = [
        {"prompt": [dict(m) for m in p.messages], "data_source": p.source, "reward_model": {"ground_truth": p.answer}}
        for p in chosen[:5]
    ]
    members.write_text("\n".join(map(json.dumps, lines)))
    artifacts.write(others, artifacts.PROMPTS, [prompt_row(p) for p in chosen[5:]])
    settings = ContaminationSettings.model_validate(SETTINGS)
    alone = contamination_model(world.train / "policy", members, others, tmp_path / "alone", settings)
    assert [(v.benchmark, v.decision) for v in alone] == [("rlpipe/countdown", "unknown")]
    assert "not compared with the training prompts" in alone[0].reasons
    controlled = contamination_model(
        world.train / "policy", members, others, tmp_path / "out", settings, control_path=world.sft / "policy"
    )
    assert len(controlled) == 1
    metrics = artifacts.read(tmp_path / "out" / "metrics.parquet", artifacts.EVAL)
    assert set(metrics["model_id"]) == {"policy", "control"}
    said = capsys.readouterr().out
    assert "Self-Critique" in said
    assert "Verdict by benchmark" in said
    assert "PPL (low)" in said
    assert DETECTORS["entropy_noise"].why in said
    with pytest.raises(ValueError, match="share 5 prompts"):
        contamination_model(world.train / "policy", members, members, tmp_path / "same", settings)


def test_alone_two_files_of_prompts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train, evaluation = tmp_path / "train.jsonl", tmp_path / "eval.jsonl"
    text = "A farmer has {} hens and buys {} more hens at the market on Friday morning. How many hens are there now?"
    rows = [{"question": text.format(i, i + 7), "answer": f"#### {2 * i + 7}"} for i in range(20)]
    train.write_text("\n".join(map(json.dumps, rows)))
    evaluation.write_text("\n".join(map(json.dumps, [rows[3], {"question": "Name a prime.", "answer": "#### 7"}])))
    found = contamination_overlap(train, evaluation, tmp_path / "out", ContaminationSettings())
    assert [v.decision for v in found] == ["contaminated"]
    assert "1 of 2 prompts (50.0%)" in found[0].reasons[0]
    table = artifacts.read(tmp_path / "out" / "overlap.parquet", artifacts.CONTAMINATION)
    assert set(table["record_type"]) == {"pair", "summary", "verdict"}
    assert "contaminated" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["overlap.parquet"]
