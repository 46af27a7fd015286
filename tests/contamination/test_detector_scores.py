"""The worked example of the specification (1.7), edge cases, and scores recomputed from raw paths."""

from __future__ import annotations

import math
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlpipe.contamination.probes import scores
from rlpipe.contamination.probes.detectors import DETECTORS, Paths, score_probes

E1, E2 = [0.5, 0.1, 0.9, 0.2], [0.4, 0.0, 1.0, 0.3, 0.2]
LOGPROBS = [-0.1, -0.2, -1.5, -0.05, -2.0, -0.3, -0.4, -0.01, -0.6, -0.7]
SIGMAS = [0.5, 0.6, 0.7, 0.5, 0.9, 0.4, 0.5, 0.3, 0.6, 0.8]
GREEDY = list(range(1, 9))
SAMPLES = [GREEDY, [1, 2, 9, 4, 5, 6, 7, 8], [9, 9, 9, 9]]


def near(value: float) -> float:
    return pytest.approx(value, abs=1e-6)


def test_self_critique() -> None:
    assert scores.self_critique(E1, E2) == near(0.775518)
    assert scores.self_critique(E2, E1) == near(0.775518)


def test_ppl_and_min_k() -> None:
    assert scores.ppl(LOGPROBS) == near(1.796787)
    assert scores.min_k(LOGPROBS) == near(1.75)
    assert scores.min_k_plus_plus(LOGPROBS, [-0.5] * 10, [s * s for s in SIGMAS]) == near(-1.547619)


def test_recall() -> None:
    assert scores.recall(LOGPROBS, [-0.3, -0.9, -0.2, -0.8]) == near(0.938567)


def test_cdd() -> None:
    assert scores.edit_distances(GREEDY, SAMPLES) == [0, 1, 8]
    assert scores.cdd(GREEDY, SAMPLES) == near(1 / 3)
    assert scores.cdd(GREEDY, SAMPLES, alpha=0.2) == near(2 / 3)


def test_entropy_temp() -> None:
    samples = [E2, [0.5, 0.1, 0.9], [1.0, 0.0, 0.0, 0.5]]
    assert [scores.penalised_cosine(E1, s) for s in samples] == [near(0.775518), near(0.736362), near(0.509372)]
    assert scores.entropy_temp(E1, samples) == near(0.594701)


def test_scores_without_a_value_are_nan() -> None:
    nan = [
        scores.self_critique([], E1),
        scores.ppl([]),
        scores.min_k(LOGPROBS[:4]),
        scores.min_k_plus_plus(LOGPROBS, [], []),
        scores.recall([0.0, 0.0], LOGPROBS),
        scores.recall(LOGPROBS, []),
        scores.cdd([], SAMPLES),
        scores.cdd(GREEDY, []),
        scores.cdd(GREEDY, [[], []]),
        scores.entropy_temp(E1, []),
        scores.entropy_temp([], [E1]),
        scores.entropy_noise(E1, []),
        scores.greedy_entropy([]),
        scores.accuracy([]),
    ]
    assert all(math.isnan(x) for x in nan), nan


def test_zero_paths_have_similarity_zero() -> None:
    assert scores.penalised_cosine([0.0, 0.0], E1) == 0.0


def test_min_k_floors_the_number_of_tokens() -> None:
    assert scores.min_k(LOGPROBS[:9]) == near(2.0)  # int(1.8) = 1 token


def test_zero_variance_is_floored() -> None:
    assert scores.min_k_plus_plus([-0.5] * 5, [-0.4] * 5, [-1e-9] * 5) == near(-100.0)


def test_cdd_cuts_both_responses_only_where_the_shorter_is_long() -> None:
    tail = [0] * 60
    long, other = [1] * 101 + tail, [1] * 101 + [2] * 60
    assert scores.edit_distances(long, [other]) == [0]
    assert scores.edit_distances([1] * 100, [[1] * 100 + tail]) == [60]  # the shorter has 100 tokens: not cut


def test_empty_samples_count_in_the_mean_length_only() -> None:
    # Mean length (8 + 0 + 8) / 3 = 5.33; at alpha .15 the threshold is .8, without the empty sample it would be 1.2.
    assert scores.cdd(GREEDY, [SAMPLES[1], []], alpha=0.15) == 0.0
    assert scores.cdd(GREEDY, [SAMPLES[1]], alpha=0.15) == 1.0


@given(
    st.lists(st.integers(0, 3), max_size=12), st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=4)
)
def test_edit_distances_equal_the_textbook_recursion(greedy: list[int], samples: list[list[int]]) -> None:
    def distance(a: list[int], b: list[int]) -> int:
        row = list(range(len(b) + 1))
        for i, x in enumerate(a, 1):
            row, above = [i], row
            for j, y in enumerate(b, 1):
                row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
        return row[-1]

    assert scores.edit_distances(greedy, samples) == [distance(greedy, s) for s in samples]


def test_directions_are_fixed() -> None:
    assert {name: d.direction for name, d in DETECTORS.items()} == {
        "self_critique": 1,
        "ppl": -1,
        "min_k": 1,
        "min_k_plus_plus": 1,
        "recall": 1,
        "cdd": 1,
        "entropy_temp": 1,
        "entropy_noise": -1,
        "greedy_entropy": -1,
        "lara": 1,
        "accuracy": 1,
    }
    assert all(d.reading == f"{'high' if d.direction > 0 else 'low'}: {d.why}" for d in DETECTORS.values())
    assert len({d.why for d in DETECTORS.values()}) == len(DETECTORS)


def row(prompt: str, name: str, index: int | None = None, **values: object) -> dict[str, object]:
    base = {"model_id": "m", "prompt_id": prompt, "label": True, "pass": name, "response": "", "sample_index": index}
    paths = {"response_ids": GREEDY, "logprobs": LOGPROBS, "entropies": E1, "means": [-0.5] * 10}
    rest = {"variances": [0.25] * 10, "acc": True, "data_source": "d", "difficulty": None, "policy_step": 3}
    return {**base, **paths, **rest, "info_json": None, **values}


def test_scores_come_from_the_table_alone_whatever_the_order_of_rows() -> None:
    rows = [
        row("p", "greedy"),
        row("p", "critique", entropies=E2),
        row("p", "noise", logprobs=[-0.3, -0.9, -0.2, -0.8], entropies=E2),
        *(row("p", "sample", i, response_ids=s, entropies=E2, acc=i == 0) for i, s in enumerate(SAMPLES)),
        row("q", "greedy", entropies=[], logprobs=[], response_ids=[], label=False),
    ]
    random.Random(0).shuffle(rows)
    found = score_probes(pl.DataFrame(rows, infer_schema_length=None))
    score = {(r["eval_id"], r["method"]): r for r in found}
    assert len(found) == 2 * len(DETECTORS)
    assert score["p", "self_critique"]["score"] == near(0.775518)
    assert score["p", "entropy_noise"]["score"] == near(0.775518)
    assert score["p", "entropy_noise"]["direction"] == -1
    assert score["p", "recall"]["score"] == near(0.938567)
    assert score["p", "cdd"]["score"] == near(1 / 3)
    assert score["p", "accuracy"]["score"] == near(0.5)
    assert score["q", "ppl"]["score"] is None
    assert score["q", "ppl"]["reason"]
    assert [r["label"] for r in (score["p", "ppl"], score["q", "ppl"])] == [True, False]


def test_suspects_have_no_label() -> None:
    suspect = row("s", "greedy", label=False, info_json='{"role": "suspect"}')
    assert {r["label"] for r in score_probes(pl.DataFrame([suspect]))} == {None}


def test_a_pass_that_occurs_twice_or_is_unknown_is_refused() -> None:
    with pytest.raises(ValueError, match="prompt p: pass 'greedy' is twice"):
        Paths.of([row("p", "greedy"), row("p", "greedy")])
    with pytest.raises(ValueError, match="'later' is not one of"):
        Paths.of([row("p", "later")])
