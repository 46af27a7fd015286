from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from rlpipe import artifacts
from rlpipe.artifacts import CONTAMINATION, ArtifactError
from rlpipe.curate.files.records import RowError
from rlpipe.curate.files.texts import TextFile, batches
from rlpipe.overlap.clean_subset import clean_subset
from rlpipe.overlap.compare import TrainText, compare, decide
from rlpipe.overlap.eval_text import EvalText
from rlpipe.overlap.normalize import words
from rlpipe.overlap.overlap import overlap
from rlpipe.overlap.scan import Scan, index_of
from rlpipe.overlap.similarity import grams, jaccard
from rlpipe.overlap.thresholds import OverlapThresholds
from tests.curate.data import gsm8k, texts
from tests.overlap.test_similarity import E1, E2, E3, T1, T2, T3

T4 = "Unrelated text about a triangle with sides three four and five units long."
LONG = (
    "The baker sells small loaves for 3 dollars and large loaves for 5 dollars, and on Monday morning a school orders "
    "12 small loaves and 7 large loaves to be delivered before noon; how much does the school pay the baker in total?"
)


def flagged(train: dict[str, str], evaluation: dict[str, str], **thresholds: float) -> dict[tuple[str, str], str]:
    """(train id, eval id) -> decision."""
    scan = Scan(index_of([texts(evaluation)], OverlapThresholds.model_validate(thresholds)))
    pairs = scan.pairs([texts(train)])
    return {(p.train_id, name): p.finding.decision for p in pairs for _, name in scan.index.texts[p.evaluation].rows}


def test_decisions_of_the_worked_example() -> None:
    train = {"T1": T1, "T2": T2, "T3": T3, "T4": T4}
    found = flagged(train, {"E1": E1, "E2": E2, "E3": E3})
    assert found == {("T1", "E1"): "drop", ("T3", "E3"): "template"}


def test_equal_words_are_dropped_unless_operators_differ() -> None:
    assert flagged({"t": "WHAT is 2 + 2"}, {"e": "what is 2+2?"}) == {("t", "e"): "drop"}
    assert flagged({"t": "What is 2*2?"}, {"e": "What is 2+2?"}) == {("t", "e"): "template"}


def test_texts_without_words_are_compared_as_they_are() -> None:
    assert flagged({"a": "+ + +", "b": "- -"}, {"e": "+ + +"}) == {("a", "e"): "drop"}


def test_short_texts_by_their_longest_common_subsequence() -> None:
    evaluation = {"n": "What is 17 + 25 in total?", "w": "Who wrote Hamlet, the play?"}
    near = {"n": "what is the 17 + 25 total?", "w": "Who wrote 'Hamlet', play?"}
    assert flagged(near, evaluation) == {("n", "n"): "drop", ("w", "w"): "drop"}
    assert flagged({"other": "What is 17 + 26 in total?"}, evaluation) == {}, "other numbers"
    long = "What is it that he said when 17 people and then another + 25 of them came in, with a total of none?"
    assert flagged({"long": long}, evaluation) == {}, "a short text is a subsequence of almost any long one"


def test_short_texts_stand_as_a_whole_in_others() -> None:
    evaluation = {"n": "What is 17 + 25?", "w": "Who wrote Hamlet, the play?", "s": "Who wrote it?"}
    shots = "Q: What is 3 + 4? A: 7 Q: Who was the father of the man who sailed to the west that year? A: none known"
    train = {"a": f"{shots} Q: {evaluation['n']} A:", "b": f"5. {evaluation['w']} (2 points) {shots}", "c": shots}
    assert flagged(train, evaluation) == {("a", "n"): "drop", ("b", "w"): "drop"}
    assert flagged({"t": f"{shots} What is 17 + 26?", "u": f"{shots} What is 17 - 25?"}, evaluation) == {}
    assert flagged({"s": f"{shots} Who wrote it? Nobody knows"}, evaluation) == {}, "three words are no evidence"


def test_with_other_numbers_half_the_wording_is_a_template_and_less_is_nothing() -> None:
    half = "A farmer drives 40 crates of ripe plums to the market in Lyon every morning."
    rest = "There two women of the village sell them, crate by crate, while he drinks a coffee and reads."
    other = half.replace("40", "50")
    assert flagged({"t": other}, {"e": f"{half} {rest[:60]}"}) == {("t", "e"): "template"}
    assert flagged({"t": other}, {"e": f"{half} {rest}"}) == {}
    assert flagged({"t": half}, {"e": f"{half} {rest}"}) == {("t", "e"): "review"}, "with its numbers it is a part"


def test_a_benchmark_of_one_template_is_told_apart_by_numbers() -> None:
    """All rows share one wording, which is no evidence; the stretches with their numbers are."""
    ask = "A shop has {} boxes with {} pens in each of them and sells {} pens a day; how many days do they last?"
    evaluation = {f"e{i}": ask.format(10 + i, 100 + i, 1000 + i) for i in range(40)}
    train = {"copy": "Problem 5: " + evaluation["e7"], "sibling": ask.format(7, 8, 9)}
    assert {name: d for (t, name), d in flagged(train, evaluation).items() if t == "copy" and d == "drop"} == {
        "e7": "drop"
    }
    assert not [d for (t, _), d in flagged(train, evaluation).items() if t == "sibling" and d != "template"]


def test_jaccard_finds_what_coverage_does_not() -> None:
    words_ = [f"word{chr(97 + i)}" for i in range(20)]
    train = " ".join([*words_[:10], "new", *words_[10:]])
    measured = compare(TrainText("t", train), EvalText(" ".join(words_), (("s", "e"),), OverlapThresholds()))
    assert measured.jaccard == pytest.approx(12 / 21)
    assert measured.coverage == 1.0
    blind = replace(measured, coverage=0.0, runs=())
    found = decide(blind, OverlapThresholds())
    assert found is not None
    assert (found.decision, found.method, found.score) == ("review", "jaccard", pytest.approx(12 / 21))
    assert decide(blind, OverlapThresholds(jaccard_review=0.58)) is None
    assert decide(blind, OverlapThresholds(jaccard_drop=0.57)).decision == "drop"  # type: ignore[union-attr]


def test_thirteen_words_in_a_row_are_reviewed_whatever_the_share() -> None:
    padding = " ".join(f"filler{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(120))
    plain = "one plain sentence of more than a dozen words stands in both of these texts alike"
    assert flagged({"t": f"{plain} but nothing else"}, {"e": f"{plain} {padding}"}) == {("t", "e"): "review"}
    twelve = " ".join(plain.split()[:12])
    assert flagged({"t": f"{twelve} but nothing else"}, {"e": f"{twelve} {padding}"}) == {}


def test_wording_that_most_evaluation_rows_share_is_no_evidence() -> None:
    frame = "you are given the following puzzle and should think about it with great care before you answer"
    evaluation = {f"e{i}": f"{frame} number{chr(97 + i)} is odd" for i in range(20)}
    assert flagged({"t": f"{frame} quite another question"}, evaluation) == {}
    assert flagged({"t": evaluation["e3"]}, evaluation) == {("t", "e3"): "drop"}, "exact copies are still found"
    few = dict(list(evaluation.items())[:5])
    assert set(flagged({"t": f"{frame} quite another question"}, few).values()) == {"drop"}


def test_formulas_are_compared_symbol_by_symbol() -> None:
    evaluation = "If x + y = 10 and x - y = 4 and z = 7, what is x * y * z in lowest terms?"
    same_words = "If x * y = 10 and x * y = 4 and z - 7, what is x - y + z in lowest terms?"
    assert flagged({"t": evaluation.replace("what is", "find")}, {"e": evaluation})[("t", "e")] == "drop"
    assert flagged({"t": same_words}, {"e": evaluation})[("t", "e")] == "template"


def test_procedural_problems_are_compared_by_key_alone() -> None:
    columns = ("id", "set", "text", "key")
    evaluation = pl.DataFrame([("e", "rlpipe/x", "make 3 from 1 2", "rlpipe/x:3|1,2")], columns, orient="row")
    train = pl.DataFrame(
        [
            ("same", "rlpipe/x", "make 3 from 2 1", "rlpipe/x:3|1,2"),
            ("other", "rlpipe/x", "make 3 from 1 2", "rlpipe/x:3|1,2,0"),
            ("words", "file", "make 3 from 1 2", None),
        ],
        columns,
        orient="row",
        schema_overrides={"key": pl.String},
    )
    pairs = list(Scan(index_of([evaluation])).pairs([train]))
    assert [(p.train_id, p.finding.method, p.finding.decision) for p in pairs] == [("same", "exact", "drop")]


def test_table_and_summary(tmp_path: Path) -> None:
    train = {
        "a": LONG,
        "b": LONG.replace("12", "13"),
        "c": T4,
        "d": LONG.replace("noon", "dusk"),
        "f": "how much " + LONG,
    }
    pl.DataFrame({"prompt_id": list(train), "question": list(train.values())}).write_parquet(tmp_path / "train.parquet")
    evaluation = {"prompt_id": ["x", "y", "z"], "data_source": ["s", "s", "u"], "problem": [LONG, LONG, E3]}
    pl.DataFrame(evaluation).write_parquet(tmp_path / "eval.parquet")
    out = tmp_path / "overlap.parquet"
    summary = overlap(*(batches(TextFile(tmp_path / f"{side}.parquet")) for side in ("train", "eval")), out)
    table = artifacts.read(out, CONTAMINATION)
    pairs = table.filter(pl.col("record_type") == "pair")
    assert {(r["train_id"], r["eval_id"], r["decision"]) for r in pairs.iter_rows(named=True)} == {
        (name, copy, decision)
        for name, decision in {"a": "drop", "b": "template", "d": "drop", "f": "drop"}.items()
        for copy in ("x", "y")
    }
    row = pairs.row(by_predicate=(pl.col("train_id") == "d") & (pl.col("eval_id") == "x"), named=True)
    assert row["matched_span"].startswith("the baker sells small loaves")
    assert row["train_count"] == 3, "rows a, d and f hold the words up to `noon`; b has another number"
    assert row["eval_set"] == "s"
    assert row["train_set"] == "train"
    offsets = json.loads(row["info_json"])["span"]
    assert words(LONG)[offsets["eval"] :][: offsets["words"]] == row["matched_span"].split()
    assert summary["s"]["n_clean"] == 0
    assert summary["s"]["n_by_decision"] == {"drop": 2, "review": 0, "template": 2}
    assert summary["u"] == summary["u"] | {"n_train": 5, "n_eval": 1, "n_clean": 1}
    assert clean_subset(out, pl.DataFrame({"prompt_id": ["z", "x", "y"]})) == ["z"]
    assert not list(tmp_path.glob("*.pairs*")), "nothing is left beside the table"


def test_clean_subset_refuses_a_table_without_summary() -> None:
    with pytest.raises(ValueError, match="no row of record_type 'summary'"):
        clean_subset(pl.DataFrame({"record_type": ["pair"], "eval_id": ["x"]}), pl.DataFrame({"prompt_id": ["x"]}))


def test_bytes_do_not_depend_on_batches_or_repetition(tmp_path: Path) -> None:
    rows = [LONG.replace("12", str(i)) for i in range(30)] + [T1, T3, LONG]
    pl.DataFrame({"text": rows}).write_parquet(tmp_path / "train.parquet")
    index = index_of([texts({"x": LONG, "y": E1, "z": E3})])
    found = []
    for size in (1, 7, 100):
        scan = Scan(index)
        pairs = list(scan.pairs(batches(TextFile(tmp_path / "train.parquet"), rows=size)))
        found.append([(p.train_id, p.finding, scan.train_count(p.evaluation, None)) for p in pairs])
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 33


def test_unusable_files(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="no such file"):
        list(batches(TextFile(tmp_path / "none.parquet")))
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(RowError, match="cut short"):
        list(batches(TextFile(tmp_path / "cut.parquet")))
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(ArtifactError, match="no prompts: its columns are a, wanted is one of"):
        list(batches(TextFile(tmp_path / "other.parquet")))
    parts = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
    pl.DataFrame({"prompt": [parts]}).write_parquet(tmp_path / "parts.parquet")
    with pytest.raises(ArtifactError, match="not messages with a role and a text each; `rlpipe import` joins"):
        list(batches(TextFile(tmp_path / "parts.parquet")))
    pl.DataFrame({"prompt": ["x"]}).write_parquet(tmp_path / "nosplit.parquet")
    with pytest.raises(ArtifactError, match="no column 'split'"):
        list(batches(TextFile(tmp_path / "nosplit.parquet", ("test",))))


def test_layouts_of_text_files_agree(tmp_path: Path) -> None:
    conversation = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": f"{LONG} Write \\boxed{{}}."},
    ]
    record = {"prompt_id": "p", "data_source": "s", "split": "test", "prompt": conversation}
    other = record | {"prompt_id": "q", "split": "train"}
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n\n" + json.dumps(other) + "\n")
    pl.DataFrame([record, other]).write_parquet(tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        (frame,) = batches(TextFile(tmp_path / name, ("test",)))
        assert frame.rows() == [("p", "s", LONG, None)], name


WORDS = st.lists(
    st.sampled_from(["apple", "buys", "7", "seven", "1,200", "1200", "pears", "how", "many", "are", "left"]),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4), st.lists(WORDS, min_size=1, max_size=4))
def test_no_pair_that_a_rule_flags_is_missed(train: list[list[str]], evaluation: list[list[str]]) -> None:
    """Candidates against brute force, but for the rule for short texts, which says itself what it leaves out."""
    limits = OverlapThresholds()
    index = index_of([texts({str(i): " ".join(e) for i, e in enumerate(evaluation)})], limits)
    rows = texts({str(i): " ".join(t) for i, t in enumerate(train)})
    found = {(p.train_id, p.evaluation) for p in Scan(index).pairs([rows])}
    for name, _, text, _ in rows.iter_rows():
        for j, other in enumerate(index.texts):
            finding = decide(compare(TrainText(name, text), other), limits)
            if finding is not None and finding.method != "lcs":
                assert (name, j) in found, finding


def test_candidates_hold_all_that_minhash_would_find() -> None:
    """On real questions: every pair that a MinHash index proposes and Jaccard confirms is a candidate."""
    folder = gsm8k()
    evaluation = next(batches(TextFile(folder / "test.jsonl"), rows=150))
    originals = [row[2] for row in evaluation.iter_rows()][:60]
    edited = [text.replace(" and ", ", then ", 1).replace(" is ", " was ") for text in originals]
    train = pl.concat(
        [texts({str(i): t for i, t in enumerate(edited)}), next(batches(TextFile(folder / "train.jsonl"), 300))]
    )
    index = index_of([evaluation])
    candidates = {tuple(pair) for pair in index.candidates(train["text"], train["key"].to_list()).tolist()}
    lsh = MinHashLSH(threshold=0.5, num_perm=128, weights=(0.1, 0.9))
    shingles = [frozenset(grams(words(row[2]), 5)) for row in train.iter_rows()]

    def signature(of: frozenset[tuple[str, ...]]) -> MinHash:
        minhash = MinHash(num_perm=128, seed=1)
        minhash.update_batch([" ".join(gram).encode() for gram in sorted(of)])
        return minhash

    for row, found in enumerate(shingles):
        lsh.insert(row, signature(found))
    confirmed = 0
    for j, text in enumerate(index.texts):
        own = frozenset(grams(words(text.text), 5))
        for row in lsh.query(signature(own)):
            if text.shingle == 5 and text.view == "n1" and (jaccard(shingles[row], own) or 0) >= 0.5:
                confirmed += 1
                assert (row, j) in candidates
    assert confirmed > 20


def test_a_file_is_not_held_in_memory(tmp_path: Path) -> None:
    """Row groups of 2 MB that do not compress; reading one batch leaves the other eleven on disk."""
    rng = random.Random(0)
    path = tmp_path / "big.parquet"
    schema = pa.schema([("question", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for _ in range(12):
            rows = [rng.randbytes(1000).hex() for _ in range(1000)]
            writer.write_table(pa.table({"question": rows}, schema=schema))
    before = pa.total_allocated_bytes()
    largest = max(pa.total_allocated_bytes() - before for _ in batches(TextFile(path), rows=1000))
    assert largest < 10 * 2**20
