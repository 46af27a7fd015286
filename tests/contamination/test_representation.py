"""LaRA, reconstructed: the worked example, perturbed prompts, the common score, and a policy that knows its prompts."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from rlpipe import artifacts, models
from rlpipe.contamination.probes import hidden_states, perturbed_prompts, representation
from rlpipe.contamination.probes.detector_metrics import ScoreTable, detect, difference
from rlpipe.contamination.probes.detectors import MEMBER, NONMEMBER, score_probes
from rlpipe.contamination.probes.probe import Probed, Subject, probe
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.engine.hf import HFEngine
from rlpipe.policy.forward import Policy
from rlpipe.statistics.auc import wins
from rlpipe.types import Prompt
from tests.contamination.toy import SHAPE, WORDS, prompt

SETTINGS = ContaminationSettings(
    second_response={"kind": "marker"}, noise="words", max_new_tokens=2, samples=1, bootstrap_draws=200
)
ORIGINAL = np.array([[1.0, 0, 0], [0.8, 0.6, 0]])  # layers A and B
VARIANTS = np.array([[[0.9, 0.1, 0], [0.8, 0.5, 0.1]], [[0.7, 0.2, 0.1], [0.75, 0.6, 0]]])


def near(*values: float) -> Any:
    return pytest.approx(list(values), abs=1e-6)


def test_worked_example() -> None:
    assert representation.shift_magnitude(ORIGINAL, VARIANTS) == near(0.257794, 0.095711)
    assert representation.directional_collapse(ORIGINAL, VARIANTS) == near(0.944911, 0.0)
    assert representation.stability(ORIGINAL, VARIANTS) == near(0.973232, 0.995180)
    reference = np.array([0.10, 0.12, 0.11, 0.13, 0.09])
    assert representation.robust_z(np.array([0.20]), reference) == near(6.070417)


def test_only_the_upper_half_is_kept_and_what_cannot_be_measured_is_missing() -> None:
    found = representation.measure(ORIGINAL, VARIANTS, VARIANTS)
    assert found["rsm"] == near(0.095711)
    assert found["rsi"] == near(0.995180)
    assert found["dc"] == [None]  # two deletions: no directions to compare
    three = np.concatenate([VARIANTS, VARIANTS[:1]])
    assert representation.measure(ORIGINAL, three, VARIANTS)["dc"][0] == pytest.approx(1 / 3)
    none = representation.measure(ORIGINAL, VARIANTS[:0], VARIANTS[:0])
    assert none == {"rsm": [None], "dc": [None], "rsi": [None]}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("make 3 from 1 2", ["make from 1 2", "make 3 from 2", "make 3 from 1"]),
        ("value of mod5 3 + 4.5", ["of mod5 3 + 4.5", "value mod5 3 + 4.5", "value of 3 + 4.5", "value of mod5 + 4.5"]),
        ("Tom has 3.5 hens. He buys 4. How many?", ["He buys 4. How many?", "Tom has 3.5 hens. How many?"]),
        ("a b", ["b", "a"]),
        ("a", []),
    ],
)
def test_deletions(question: str, expected: list[str]) -> None:
    assert perturbed_prompts.deletions(question)[: len(expected)] == expected


def test_at_most_eight_things_are_left_out_evenly_spaced() -> None:
    words = [f"w{i}" for i in range(24)]
    gone = [set(words) - set(text.split()) for text in perturbed_prompts.deletions(" ".join(words))]
    assert gone == [{f"w{i}"} for i in range(0, 24, 3)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("make 3 from 1 2 4", ["make 3 from 4 2 1", "make 3 from 2 4 1", "make three from one two four"]),
        ("use 5, 6 and 70", ["use 6, 5 and 70", "use five, six and 70"]),
        ("A cat. A dog. Which?", ["A dog. A cat. Which?"]),
        ("x2 y3 1.5", []),
        ("path from a to b", []),
    ],
)
def test_rewordings(question: str, expected: list[str]) -> None:
    assert perturbed_prompts.rewordings(question) == expected


def test_variants_read_otherwise_and_are_understood(subject: Subject) -> None:
    p = Prompt("p", ({"role": "user", "content": "make 3 from 1 2"},), "", "toy")
    own, left, said = hidden_states.variants(p, subject.encode, subject.unknown, subject.longest)
    assert own == subject.encode(p.messages)
    assert len(left) == 3
    texts = [subject.tokenizer.decode(ids, skip_special_tokens=True).split()[:5] for ids in said]
    assert texts == [["make", "3", "from", "2", "1"]]  # the policy has no word `three`
    assert hidden_states.variants(p, subject.encode, subject.unknown, len(own) - 1)[2] == []


def test_states_are_the_librarys_and_do_not_depend_on_the_batch(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [subject.encode(prompt(i).messages)[: 4 + i] for i in range(3)]
    found = hidden_states.last_states(subject.policy, prompts)
    model: Any = subject.policy.model
    for ids, state in zip(prompts, found, strict=True):
        alone = model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states
        assert state == pytest.approx(np.stack([h[0, -1].detach().numpy() for h in alone[1:]]), abs=1e-4)
    monkeypatch.setattr(hidden_states, "MOST_TOKENS", 1)
    assert hidden_states.last_states(subject.policy, prompts) == pytest.approx(found, abs=1e-5)


def states_row(model: str, identity: str, role: str, value: float, control: bool = False) -> dict[str, Any]:
    info = {"role": role, "rsm": [value], "dc": [None], "rsi": [2 * value]} | ({"control": True} if control else {})
    known = {"data_source": "toy", "difficulty": "easy", "label": role == MEMBER, "policy_step": None}
    return {**known, "model_id": model, "prompt_id": identity, "pass": "states", "info_json": json.dumps(info)}


def test_the_change_from_the_control_is_scored_and_the_control_by_its_own_values() -> None:
    clean = [0.10, 0.12, 0.11, 0.13, 0.09]
    before = {f"n{i}": 5.0 * i for i in range(5)} | {"m": 100.0}
    after = {f"n{i}": v + before[f"n{i}"] for i, v in enumerate(clean)} | {"m": 100.2}
    role = {name: NONMEMBER if name[0] == "n" else MEMBER for name in before}
    rows = [states_row("run", p, role[p], v) for p, v in after.items()]
    rows += [states_row("sft", p, role[p], v, control=True) for p, v in before.items()]
    found = representation.reaction_scores(rows, NONMEMBER)
    assert found["run", "m"] == pytest.approx(6.070417, abs=1e-5)  # DC is missing, both others have this z
    assert found["run", "n2"] == pytest.approx(0.0, abs=1e-9)
    assert found["sft", "m"] == pytest.approx((100 - 10) / (1.4826 * 5))
    alone = representation.reaction_scores(rows[:6], NONMEMBER)
    assert alone["run", "m"] == pytest.approx((100.2 - 10.11) / (1.4826 * 5.02), rel=1e-2)
    assert representation.reaction_scores(rows[:2], NONMEMBER) == {}  # too few never-trained prompts


def test_without_any_change_there_is_no_score() -> None:
    rows = [states_row("run", f"n{i}", NONMEMBER, float(i)) for i in range(6)]
    rows += [states_row("sft", f"n{i}", NONMEMBER, float(i), control=True) for i in range(6)]
    found = representation.reaction_scores(rows, NONMEMBER)
    assert all(math.isnan(found["run", f"n{i}"]) for i in range(6))


def test_alike_never_trained_prompts_are_the_reference_where_there_are_enough() -> None:
    rows = [states_row("run", f"n{i}", NONMEMBER, float(i)) for i in range(10)]
    rows += [{**states_row("run", f"h{i}", NONMEMBER, 1000.0 + i), "difficulty": "hard"} for i in range(10)]
    found = representation.reaction_scores(rows, NONMEMBER)
    assert found["run", "n0"] == pytest.approx(found["run", "h0"])
    fewer = representation.reaction_scores(rows[:-1], NONMEMBER)
    assert fewer["run", "n0"] == pytest.approx(found["run", "n0"])
    assert fewer["run", "h0"] != pytest.approx(found["run", "h0"])


KNOWN, NEW = [prompt(i) for i in range(30)], [prompt(i) for i in range(100, 130)]


@pytest.fixture(scope="module")
def examined() -> dict[str, pl.DataFrame]:
    """Probes of a policy trained to write a response of each known prompt, of its clean twin, and of the control."""
    tokenizer = models.word_tokenizer(WORDS, SHAPE.max_length)
    shape = SHAPE.model_copy(update={"num_layers": 2, "hidden_size": 32, "intermediate_size": 64})
    control = models.from_scratch(shape, tokenizer, seed=1)
    train(control, tokenizer, [prompt(i) for i in range(200, 260)], 60)
    others = [prompt(i) for i in range(300, 330)]
    found = {}
    for name, taught in (("planted", KNOWN), ("twin", others)):
        model = copy.deepcopy(control)
        train(model, tokenizer, taught, 250)
        subjects = [subject_of(model, tokenizer, "run/seed-0"), subject_of(control, tokenizer, "sft", True)]
        probed = [*(Probed(p, MEMBER) for p in KNOWN), *(Probed(p, NONMEMBER) for p in NEW)]
        rows = [row for s in subjects for row in probe(s, probed, SETTINGS)]
        found[name] = pl.DataFrame(pl.from_arrow(artifacts.to_table(rows, artifacts.PROBES)))
    return found


def subject_of(model: Any, tokenizer: Any, name: str, control: bool = False) -> Subject:
    return Subject(name, HFEngine(model, tokenizer), Policy(model), tokenizer, SHAPE.max_length, control=control)


def train(model: Any, tokenizer: Any, prompts: list[Prompt], steps: int) -> None:
    """Responses at random per prompt, so that they can only be learnt by heart."""
    torch.manual_seed(0)
    answers = [f"{7 * i % 20} {11 * i % 20}" for i, _ in enumerate(prompts)]
    asked = [models.encode(tokenizer, p.messages) for p in prompts]
    said = [tokenizer(a, add_special_tokens=False)["input_ids"] for a in answers]
    ids = torch.tensor([a + b for a, b in zip(asked, said, strict=True)])
    labels = ids.clone()
    labels[:, : len(asked[0])] = -100
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(steps):
        optimizer.zero_grad()
        model(input_ids=ids, labels=labels).loss.backward()
        optimizer.step()
    model.eval()


def test_a_planted_reaction_is_found_with_its_control_at_chance() -> None:
    rng, rows = np.random.default_rng(0), []
    for i in range(80):
        role, before = (MEMBER, NONMEMBER)[i % 2], float(rng.normal(0, 5))
        rows.append(states_row("sft", f"p{i}", role, before, control=True))
        rows.append(states_row("run/seed-0", f"p{i}", role, before + float(rng.normal(1.5 * (role == MEMBER)))))
    table = ScoreTable.of(score_probes(pl.DataFrame(pl.from_arrow(artifacts.to_table(filled(rows), artifacts.PROBES)))))
    run, control = (detect(table, m, "lara", MEMBER, SETTINGS) for m in ("run/seed-0", "sft"))
    assert run is not None
    assert control is not None
    assert run.auc.lo > 0.7
    assert control.auc.lo < 0.5 < control.auc.hi
    assert (run.n1, run.n0, run.dropped) == (40, 40, 0)


def filled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"response": "", "sample_index": 0, **row} for row in rows]


def test_of_a_policy_that_knows_responses_by_heart_twin_and_control_are_at_chance(
    examined: dict[str, pl.DataFrame],
) -> None:
    areas = {}
    for name, frame in examined.items():
        table = ScoreTable.of(score_probes(frame))
        for model in ("run/seed-0", "sft"):
            for method in ("lara", "greedy_entropy"):
                found = detect(table, model, method, MEMBER, SETTINGS)
                assert found is not None
                assert (found.n1, found.n0) == (30, 30)
                areas[name, model, method] = found.auc.value
    assert areas["planted", "run/seed-0", "greedy_entropy"] > 0.8  # it was learnt
    # Whether it shows in the states is measured (benchmarks/detectors.py), not asserted; without exposure it must not.
    for key in (("twin", "run/seed-0"), ("twin", "sft"), ("planted", "sft")):
        assert areas[(*key, "lara")] == pytest.approx(0.5, abs=0.2)  # standard error 0.08
    assert areas["twin", "sft", "lara"] == areas["planted", "sft", "lara"]
    table = ScoreTable.of(score_probes(examined["planted"]))
    assert difference(table, ("run/seed-0", "sft"), "lara", MEMBER, SETTINGS) is not None


def test_permuted_labels_are_at_chance(examined: dict[str, pl.DataFrame]) -> None:
    rows = [r for r in score_probes(examined["planted"]) if r["method"] == "lara" and r["model_id"] != "sft"]
    scores = np.array([r["score"] for r in rows])
    rng, half = np.random.default_rng(0), len(rows) // 2
    areas = [wins(*np.split(rng.permutation(scores), [half])).mean() for _ in range(200)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.02)
