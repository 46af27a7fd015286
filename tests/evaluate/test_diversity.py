"""Diversity of the samples of a prompt: worked numbers, and what must hold for any samples."""

from __future__ import annotations

from math import exp, inf

import numpy as np
import polars as pl
import pytest

from rlpipe.evaluate.diversity.measures import (
    TABLE,
    collision_probability,
    cosine_kernel,
    diversity_table,
    exact_kernel,
    inverse_simpson,
    ngram_kernel,
    vendi,
)
from rlpipe.evaluate.diversity.ngrams import distinct_group, ead, ngrams, self_bleu
from rlpipe.statistics.answer_entropy import answer_entropy

K = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]])
TEXTS = ["the cat sat on the mat", "the cat sat on a mat", "dogs run fast in the park"]
ANSWERS = ["4"] * 5 + ["7"] * 2 + [None]
E = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0.6, 0, 0.8], [0, 0, 1], [0.1, 0.2, 0.97]])
QS = (0, 0.1, 0.5, 1, 2, inf)


def near(value):
    return pytest.approx(value, abs=1e-6)


def random_rows(n=7, d=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def test_vendi_of_every_order():
    assert [vendi(K, q) for q in QS] == near([3, 2.845537, 2.420348, 2.157300, 1.948052, 1.578947])


def test_vendi_with_weights():
    assert vendi(K, 1, [0.5, 0.25, 0.25]) == near(2.009883)
    assert vendi(K, 1, [2, 1, 1]) == near(2.009883)


def test_vendi_of_embeddings():
    kernel = cosine_kernel([[1, 0], [0.9, 0.1], [0, 1], [0.5, 0.5]])
    assert [vendi(kernel, q) for q in (0.5, 1, 2)] == near([1.920631, 1.849402, 1.735450])


@pytest.mark.parametrize("q", QS)
def test_vendi_of_all_different_is_n_and_of_all_equal_is_one(q):
    assert vendi(np.eye(4), q) == near(4)
    assert vendi(np.ones((4, 4)), q) == near(1)
    assert vendi(cosine_kernel(np.linalg.qr(random_rows(5, 5))[0]), q) == near(5)
    assert vendi(cosine_kernel(np.tile(random_rows(1), (6, 1))), q) == near(1)
    assert vendi([[1.0]], q) == near(1)


@pytest.mark.parametrize(("orders", "value"), [((1,), 2.158131), ((2,), 2.638250), ((1, 2), 2.437258)])
def test_vendi_of_texts(orders, value):
    assert vendi(ngram_kernel(TEXTS, orders)) == near(value)


def test_vendi_of_nothing_is_unknown():
    assert vendi(np.zeros((0, 0))) is None
    assert vendi(exact_kernel([])) is None


def test_vendi_ignores_order_and_duplication_and_falls_with_q():
    x = random_rows()
    values = [vendi(cosine_kernel(x), q) for q in QS]
    assert [vendi(cosine_kernel(x[::-1]), q) for q in QS] == near(values)
    assert [vendi(cosine_kernel(np.r_[x, x]), q) for q in QS] == near(values)
    assert (np.diff(values) < 0).all()


def test_vendi_of_exact_answers_is_exp_of_their_entropy():
    for answers, value in ((["A", "A", "B"], 1.889882), (ANSWERS, 2.460233)):
        assert vendi(exact_kernel(answers)) == near(value)
        assert exp(answer_entropy(answers).nats) == near(value)


@pytest.mark.parametrize(
    ("kernel", "q", "weights", "message"),
    [
        (np.ones((2, 3)), 1, None, "square"),
        ([[1, np.nan], [0, 1]], 1, None, "row 0"),
        ([[1, 0], [0, 0]], 1, None, r"\[1, 1\]"),
        ([[1, 0.5], [0, 1]], 1, None, "not symmetric"),
        (K, -1, None, "q = -1"),
        (K, np.nan, None, "q = nan"),
        (K, 1, [1, -1, 1], "weights"),
        (K, 1, [1, 1], "give 3"),
    ],
)
def test_vendi_refuses(kernel, q, weights, message):
    with pytest.raises(ValueError, match=message):
        vendi(kernel, q, weights)


def test_embeddings_that_failed_are_an_error():
    broken = E.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        cosine_kernel(broken)
    with pytest.raises(ValueError, match="row 1 is zero"):
        cosine_kernel([[1, 0], [0, 0]])


def test_texts_too_short_for_an_order_are_alike_only_to_their_copies():
    kernel = ngram_kernel(["4", "4", "7", "", ""])
    same = [[0, 0, 1, 2, 2][i] == [0, 0, 1, 2, 2][j] for i in range(5) for j in range(5)]
    assert kernel.ravel() == near(np.array(same, dtype=float))
    # Cut to two words, both texts are the same.
    assert ngram_kernel(["a b c", "a b d"], length=2) == near(np.ones((2, 2)))


def test_distinct():
    assert [distinct_group(TEXTS, n) for n in (1, 2, 3, 4)] == near([11 / 18, 0.8, 0.833333, 0.888889])
    assert distinct_group(TEXTS + TEXTS, 1) == near(11 / 36)
    assert distinct_group(["a", ""], 2) is None
    assert distinct_group(["a a a a"], 1, length=2) == near(0.5)
    with pytest.raises(ValueError, match="n = 0"):
        ngrams("a", 0)


def test_ead():
    assert ead(TEXTS, 1, 100) == near(0.664708)
    assert ead(TEXTS, 1, 11) == near(1.219302)
    assert ead([""], 1, 11) is None
    with pytest.raises(ValueError, match="vocabulary = 0"):
        ead(TEXTS, 1, 0)


def test_self_bleu():
    assert self_bleu(TEXTS) == near(0.371798)
    # Of two equal texts and one without a shared word: 1, 1 and 0.
    assert self_bleu([TEXTS[0], TEXTS[0], "x y z w"]) == near(2 / 3)
    assert self_bleu(TEXTS[:1]) is None
    assert self_bleu(["", ""]) == 0.0


def test_self_bleu_penalises_texts_shorter_than_the_closest():
    # First: shares 4/4, 3/3, 2/2, 1/1, penalty exp(1 - 5/4). Second: 4/5, 3/4, 2/3, 1/2, no penalty.
    assert self_bleu(["a b c d", "a b c d e"]) == near((exp(-0.25) + (0.8 * 0.75 * 2 / 3 * 0.5) ** 0.25) / 2)


def test_answers():
    every, valid = answer_entropy(ANSWERS), answer_entropy(ANSWERS, valid_only=True)
    assert [every.nats, every.miller_madow, every.effective] == near([0.900256, 1.025256, 2.460233])
    assert valid.nats == near(0.598270)
    assert inverse_simpson(ANSWERS, valid_only=True) == near(1.689655)
    assert 1 / inverse_simpson(ANSWERS, valid_only=True) == near(0.591837)
    assert collision_probability(ANSWERS, valid_only=True) == near(0.523810)
    assert inverse_simpson(ANSWERS) == near(64 / 30)
    assert inverse_simpson([None], valid_only=True) is None
    assert collision_probability(["4"]) is None


def frame(rows):
    columns = ["prompt_id", "sample_index", "response", "canonical_answer"]
    types = [pl.String, pl.Int32, pl.String, pl.String]
    return pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row")


def test_table_has_a_row_per_prompt():
    rows = [("q", 0, "a", None), *(("p", i, t, a) for i, (t, a) in enumerate(zip(TEXTS, "AAB", strict=True)))]
    table = diversity_table(frame(rows[::-1]))
    assert dict(table.schema) == TABLE
    assert table["prompt_id"].to_list() == ["p", "q"]
    kernel = ngram_kernel(TEXTS)
    assert table.row(0)[1:] == near((vendi(kernel), vendi(kernel, 2), 11 / 18, 0.8, 0.371798, 1.889882))
    assert table.row(1)[1:5] == (near(1), near(1), 1.0, None)
    assert table.row(1)[5:] == (None, 1.0)


def test_table_uses_the_first_samples_and_words():
    rows = [("p", i, t, str(i)) for i, t in enumerate(TEXTS)]
    assert diversity_table(frame(rows[::-1]), most=2).equals(diversity_table(frame(rows[:2])))
    cut = [(p, i, " ".join(t.split()[:3]), a) for p, i, t, a in rows]
    assert diversity_table(frame(rows), tokens=3).equals(diversity_table(frame(cut)))
    assert not diversity_table(frame(rows), tokens=3).equals(diversity_table(frame(rows)))


def test_table_of_nothing_and_of_samples_it_cannot_read():
    assert dict(diversity_table(frame([])).schema) == TABLE
    with pytest.raises(ValueError, match="sample 3 of prompt p has no response"):
        diversity_table(frame([("p", 3, None, "1")]))
    with pytest.raises(ValueError, match="most = 0"):
        diversity_table(frame([]), most=0)
