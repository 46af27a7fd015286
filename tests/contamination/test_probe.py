"""Passes, raw paths and their independence of batching."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import torch

from rlpipe import artifacts, models
from rlpipe.contamination.probes import probe_prompts as asking
from rlpipe.contamination.probes.detectors import DETECTORS, score_probes
from rlpipe.contamination.probes.probe import Probed, Subject, probe
from rlpipe.contamination.probes.probe_prompts import critique
from rlpipe.contamination.settings import ContaminationSettings, SecondResponse
from rlpipe.engine.batched import complete_all
from rlpipe.policy import scoring as paths
from rlpipe.tasks.second_response import second_demonstration
from rlpipe.types import Prompt, Sampling
from tests.contamination.toy import judge, prompt

PROBED = [Probed(prompt(i), "member" if i < 4 else "nonmember", exposures=2 if i < 4 else None) for i in range(8)]


@pytest.fixture(scope="module")
def rows(subject: Subject) -> list[dict[str, object]]:
    settings = ContaminationSettings(
        second_response={"kind": "marker"}, noise="words", max_new_tokens=8, samples=3, bootstrap_draws=200
    )
    return probe(subject, PROBED, settings, judge)


def test_rows_have_the_schema_and_every_pass(rows: list[dict[str, object]]) -> None:
    table = artifacts.to_table(rows, artifacts.PROBES)
    assert table.num_rows == 8 * (3 + 3 + 1)
    frame = pl.DataFrame(pl.from_arrow(table))
    counts = frame.group_by("prompt_id", "pass").len()
    assert sorted(set(counts["pass"])) == ["critique", "greedy", "noise", "sample", "states"]
    assert frame.filter(pl.col("label"))["prompt_id"].n_unique() == 4
    for column in ("logprobs", "entropies"):
        assert frame[column].list.len().equals(frame["response_ids"].list.len().alias(column))
    assert frame["topk"].null_count() == len(frame)  # 50 covers this vocabulary


def test_all_scores_can_be_recomputed_from_the_written_file(rows: list[dict[str, object]], tmp_path: Path) -> None:
    artifacts.write(tmp_path / "probes.parquet", artifacts.PROBES, rows)
    frame = artifacts.read(tmp_path / "probes.parquet", artifacts.PROBES)
    found = score_probes(frame)
    assert len(found) == 8 * len(DETECTORS)
    artifacts.to_table(found, artifacts.CONTAMINATION)
    scored = [r["score"] for r in found if r["method"] == "self_critique"]
    assert all(0 <= s <= 1 for s in scored)
    assert len(set(scored)) > 1


def test_a_row_depends_on_its_own_prompt(subject: Subject, rows: list[dict[str, object]]) -> None:
    settings = ContaminationSettings(second_response={"kind": "marker"}, max_new_tokens=8, samples=3)
    alone = probe(subject, PROBED[2:3], settings)
    same = [r for r in rows if r["prompt_id"] == PROBED[2].prompt.id]
    for a, b in zip(alone, same, strict=True):
        if a["pass"] == "states":
            measured = [json.loads(str(row["info_json"])) for row in (a, b)]
            assert measured[0]["deletions"] == measured[1]["deletions"] >= 3
            for name in ("rsm", "dc", "rsi"):
                assert measured[0][name] == pytest.approx(measured[1][name], abs=1e-4)
        elif a["pass"] != "noise":  # words are drawn from those of all prompts
            assert a["response_ids"] == b["response_ids"]
            assert a["entropies"] == pytest.approx(b["entropies"], abs=1e-4)


def test_greedy_paths_are_the_engines(subject: Subject) -> None:
    prefix = subject.encode(PROBED[0].prompt.messages)
    rollouts = complete_all(subject.engine, [prefix] * 2, Sampling(8, temperature=0.0), [0, 1])
    found = paths.token_paths(subject.policy, rollouts)
    for rollout, path in zip(rollouts, found, strict=True):
        assert path.logprob == pytest.approx(rollout.logprob[rollout.response_mask].tolist(), abs=1e-4)
        assert path.entropy == pytest.approx(rollout.entropy[rollout.response_mask].tolist(), abs=1e-4)


def test_sampled_paths_are_at_temperature_one(subject: Subject) -> None:
    prefix = subject.encode(PROBED[0].prompt.messages)
    cold = complete_all(subject.engine, [prefix], Sampling(8, temperature=0.3, top_p=0.5), [0])
    path = paths.token_paths(subject.policy, cold)[0]
    assert sum(path.entropy) > float(cold[0].entropy.sum())


def test_batches_do_not_change_paths(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    prefixes = [subject.encode(p.prompt.messages) for p in PROBED]
    rollouts = complete_all(subject.engine, prefixes, Sampling(8), range(8))
    together = paths.token_paths(subject.policy, rollouts)
    monkeypatch.setattr(paths, "score_rows", partial(paths.score_rows, most_tokens=1))
    for a, b in zip(together, paths.token_paths(subject.policy, rollouts), strict=True):
        assert a.entropy == pytest.approx(b.entropy, abs=1e-4)


def test_top_k_entropy_is_not_renormalised() -> None:
    logits = torch.tensor([[0.7, 0.2, 0.06, 0.04]]).log()
    assert -paths.moments(logits)[0].item() == pytest.approx(0.869120, abs=1e-6)
    assert -paths.moments(logits, topk=2)[0].item() == pytest.approx(0.571560, abs=1e-6)
    assert -paths.moments(logits, topk=9)[0].item() == pytest.approx(0.869120, abs=1e-6)


def test_a_token_of_probability_zero_counts_nothing() -> None:
    mean, variance = paths.moments(torch.tensor([[0.0, 0.0, -torch.inf]]))
    assert mean.item() == pytest.approx(-0.693147, abs=1e-6)
    assert variance.item() == pytest.approx(0.0, abs=1e-6)


def test_paths_refuse_another_temperature(subject: Subject) -> None:
    from rlpipe.policy.forward import Policy

    with pytest.raises(ValueError, match="temperature 1"):
        paths.token_paths(Policy(subject.policy.model, temperature=0.8), [])


def test_the_request_keeps_other_messages_and_takes_the_last_question() -> None:
    turns = ({"role": "system", "content": "be brief"}, {"role": "user", "content": "q"})
    asked = asking.asked_with(Prompt("x", turns, "", "s"), lambda q: critique(q, "r1"))
    assert asked[0] == turns[0]
    assert asked[1]["content"].startswith("q\n")
    assert "---\nr1\n---" in asked[1]["content"]


def test_a_long_first_response_is_cut_at_its_end_and_flagged(subject: Subject) -> None:
    first = " ".join(["1", "2", "3"] * 5)
    second = SecondResponse(kind="marker")
    whole, cut = asking.ask_again(PROBED[0].prompt, first, second, subject.tokenizer, 100)
    assert not cut
    ids, cut = asking.ask_again(PROBED[0].prompt, first, second, subject.tokenizer, len(whole) - 4)
    assert cut
    assert len(ids) == len(whole) - 4
    assert subject.tokenizer.decode(ids).split()[-3:-1] == ["2", "otherwise"]  # 11 of 15 words, then the marker
    with pytest.raises(ValueError, match="leaves no room"):
        asking.ask_again(PROBED[0].prompt, first, second, subject.tokenizer, 5)


def test_second_demonstration_is_what_the_probe_asks(subject: Subject) -> None:
    text = second_demonstration("make 3 from 1 2", "1 + 2 = 3", "otherwise")
    assert text == "make 3 from 1 2 1 + 2 = 3 otherwise"
    taught = Prompt("t", ({"role": "user", "content": text},), "", "toy")
    base = Prompt("t", ({"role": "user", "content": "make 3 from 1 2"},), "", "toy")
    ids, _ = asking.ask_again(base, "1 + 2 = 3", SecondResponse(kind="marker"), subject.tokenizer, None)
    assert ids == models.encode(subject.tokenizer, taught.messages)


def test_noise_surrounds_the_prompt_and_is_keyed_by_it() -> None:
    p, q = prompt(1), prompt(2)
    prose = asking.amid_noise(p, "prose", [], seed=0)[0]["content"]
    assert prose == " ".join([*asking.PROSE_BEFORE, p.text, asking.PROSE_AFTER])
    words = [str(i) for i in range(20)]
    first = asking.amid_noise(p, "words", words, seed=0)[0]["content"]
    assert first == asking.amid_noise(p, "words", words, seed=0)[0]["content"]
    assert first.split()[2:-1] == p.text.split()
    other = asking.amid_noise(q, "words", words, seed=0)[0]["content"]
    assert first.split()[:2] != other.split()[:2]


def test_unknown_words_of_the_noise_are_counted(subject: Subject) -> None:
    settings = ContaminationSettings(second_response={"kind": "marker"}, noise="prose", max_new_tokens=4, samples=1)
    noise = [r for r in probe(subject, PROBED[:1], settings) if r["pass"] == "noise"]
    assert '"unknown_tokens": 31' in str(noise[0]["info_json"])


def test_a_prompt_has_one_role(subject: Subject) -> None:
    with pytest.raises(ValueError, match="1 prompts are given twice, such as toy-0000"):
        probe(subject, [*PROBED, Probed(PROBED[0].prompt, "suspect")], ContaminationSettings())


def test_a_marker_without_a_token_gives_no_self_critique(subject: Subject) -> None:
    settings = ContaminationSettings(
        second_response={"kind": "marker", "marker": "differently"}, noise="words", max_new_tokens=4, samples=1
    )
    rows = probe(subject, PROBED[:2], settings)
    frame = pl.DataFrame(pl.from_arrow(artifacts.to_table(rows, artifacts.PROBES)))
    found = {(r["eval_id"], r["method"]): r for r in score_probes(frame)}
    one = found[PROBED[0].prompt.id, "self_critique"]
    assert one["score"] is None
    assert "no token for the marker" in one["reason"]
    assert found[PROBED[0].prompt.id, "ppl"]["score"] is not None
