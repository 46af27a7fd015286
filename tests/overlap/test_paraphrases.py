"""The stage of embeddings: nearest texts, what becomes of a pair, the judge, and nothing where it is off."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from rlpipe import artifacts
from rlpipe.artifacts import CONTAMINATION
from rlpipe.contamination.overlap_table import copies
from rlpipe.curate.files.texts import TextFile, batches
from rlpipe.models import ModelError, from_scratch, save_policy, word_tokenizer
from rlpipe.overlap.clean_subset import clean_subset
from rlpipe.overlap.overlap import overlap
from rlpipe.overlap.paraphrase import nearest as nearest_module
from rlpipe.overlap.paraphrase.embed import embedder
from rlpipe.overlap.paraphrase.judge import Judge, answer_of, answers, model_judge
from rlpipe.overlap.paraphrase.nearest import Nearest
from rlpipe.overlap.paraphrase.search import ParaphraseSearch
from rlpipe.overlap.scan import Scan, index_of
from rlpipe.overlap.thresholds import Paraphrases
from rlpipe.params.model_settings import ModelSettings
from tests.curate.data import texts
from tests.toy import tiny_policy

BREAD = "A baker sells 12 loaves before noon and 7 loaves after lunch; how many loaves does he sell all day?"
SHEEP = "Some farmer counts 30 sheep on one hill while 4 sheep hide behind trees; what number of sheep exist?"
OTHER = "Five green boats cross an icy river under stars without wind or moon toward home"


def turned(text: str) -> str:
    """The same words from the last to the first: nothing that the stages on words could find."""
    return " ".join(reversed(text.replace("?", "").replace(";", "").split()))


def bag(rows: Sequence[str]) -> np.ndarray:
    """Counts of hashed words: texts of the same words in any order have cosine 1."""
    found = np.zeros((len(rows), 128))
    for i, text in enumerate(rows):
        for word in text.replace("?", "").replace(";", "").split():
            found[i, zlib.crc32(word.encode()) % 128] += 1
    return found


def search(judge: Judge | None = None, **settings: Any) -> ParaphraseSearch:
    return ParaphraseSearch(Paraphrases(model="bag", judge="scripted" if judge else None, **settings), bag, judge)


def says(word: str) -> Judge:
    return lambda pairs: [word] * len(pairs)


def scanned(train: dict[str, str], evaluation: dict[str, str], by: ParaphraseSearch) -> dict[str, tuple[str, str]]:
    """Training id -> (method, decision); one evaluation text."""
    scan = Scan(index_of([texts(evaluation)]), by)
    return {p.train_id: (p.finding.method, p.finding.decision) for p in scan.pairs([texts(train)])}


def written(path: Path, rows: dict[str, str]) -> Path:
    pl.DataFrame({"prompt_id": list(rows), "question": list(rows.values())}).write_parquet(path)
    return path


@pytest.mark.parametrize("entries", [1, 300, 2**22])
def test_the_nearest_are_those_of_brute_force(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "ENTRIES", entries)
    rng = random.Random(0)
    words = ["apple", "pear", "buys", "7", "12", "left", "how", "many"]
    train = [" ".join(rng.choices(words, k=rng.randint(0, 9))) for _ in range(120)]
    train += [*train[:15], "  "]
    evaluation = [" ".join(rng.choices(words, k=6)) for _ in range(7)] + [""]
    first = {text: row for row, text in reversed(list(enumerate(train))) if text.strip()}
    out = {(row, e) for row in range(0, 40, 3) for e in (1, 2)}
    out |= {(row, e) for r, e in out for row in range(len(train)) if train[row] == train[r]}

    def cosine(a: str, b: str) -> float:
        x, y = bag([a, b])
        return float(np.round(x @ y / np.linalg.norm(x) / np.linalg.norm(y), 5))

    expected = [
        sorted((-cosine(text, e), row) for text, row in first.items() if (row, j) not in out)[:5]
        for j, e in enumerate(evaluation[:-1])
    ]
    assert all(len(best) == 5 for best in expected)
    rows = texts({str(i): text for i, text in enumerate(train)})
    for size in (1, 7, 500):
        found = Nearest(evaluation, bag, top=5)
        for start in range(0, len(train), size):
            here = {(row - start, e) for row, e in out if start <= row < start + size}
            found.add(rows[start : start + size], here)
        assert [[(-n.cosine, n.row) for n in found.of(j)] for j in range(7)] == expected, size
        assert all(n.train_id == str(n.row) and n.text == train[n.row] for n in found.of(0))
        assert list(found.of(7)) == [], "a text without a visible character is near to nothing"


def test_batches_do_not_matter_to_a_model_either(tmp_path: Path) -> None:
    words = (BREAD + " " + SHEEP).split()
    save_policy(*tiny_policy(words=words), tmp_path / "m")
    embed = embedder(tmp_path / "m", batch_size=8)[0]
    rng = random.Random(1)
    rows = texts({str(i): " ".join(rng.choices(words, k=rng.randint(3, 12))) for i in range(40)})
    found = []
    for size in (3, 40):
        near = Nearest([BREAD, SHEEP], embed, top=5)
        for start in range(0, len(rows), size):
            near.add(rows[start : start + size], set())
        found.append([n for j in (0, 1) for n in near.of(j)])
    assert [n.row for n in found[0]] == [n.row for n in found[1]]
    assert [n.cosine for n in found[0]] == pytest.approx([n.cosine for n in found[1]], abs=2e-5)


def test_an_embedding_that_is_no_number_stops_the_scan() -> None:
    with pytest.raises(ValueError, match="no finite numbers for 1 texts, such as 'b'"):
        Nearest(["aa", "b"], lambda rows: np.array([[np.nan if r == "b" else 1.0] for r in rows]), top=1)


def test_texts_longer_than_the_model_are_cut(tmp_path: Path) -> None:
    model, tokenizer = tiny_policy(words=["a", "b"])
    tokenizer.model_max_length = int(1e30)  # what tokenizers say that know no limit
    save_policy(model, tokenizer, tmp_path / "m")
    found = embedder(tmp_path / "m")[0](["a " * 64, "a " * 64 + "b " * 9])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_planted_paraphrases_are_found_once_and_copies_take_no_place() -> None:
    train = {"copy": BREAD, "again": BREAD + " ", "turned": turned(BREAD), "other": OTHER, "sheep": turned(SHEEP)}
    found = scanned(train, {"e": BREAD}, search(top=1))
    assert found == {"copy": ("exact", "drop"), "again": ("exact", "drop"), "turned": ("embedding", "review")}
    numbers = turned(BREAD).replace("12", "13")
    assert scanned({"n": numbers}, {"e": BREAD}, search()) == {"n": ("embedding", "template")}
    assert scanned({"n": numbers}, {"e": BREAD}, search(threshold=0.99)) == {}


def test_problems_with_a_key_are_not_compared_by_their_words() -> None:
    columns = ("id", "set", "text", "key")
    evaluation = pl.DataFrame([("e", "rlpipe/x", BREAD, "rlpipe/x:1")], columns, orient="row")
    scan = Scan(index_of([evaluation]), search(threshold=-1))
    assert list(scan.pairs([texts({"t": turned(BREAD)})])) == []


@pytest.mark.parametrize(
    ("said", "same", "other"),
    [
        ("Yes.", "drop", "template"),
        ("**No**, they differ", "keep", "keep"),
        ("perhaps", "review", "template"),
        ("", "review", "template"),
        (None, "review", "template"),
    ],
)
def test_what_the_judge_says_and_the_numbers_decide(said: str | None, same: str, other: str) -> None:
    train = {"same": turned(BREAD), "other": turned(BREAD).replace("7", "8")}
    by = search(None if said is None else says(said))
    assert scanned(train, {"e": BREAD}, by) == {"same": ("embedding", same), "other": ("embedding", other)}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("yes", "yes"),
        (" YES, the same", "yes"),
        ("No.", "no"),
        ("not sure", "unknown"),
        ("I think yes", "unknown"),
        ("yes and no", "unknown"),
        ("No, or rather yes", "unknown"),
        ("", "unknown"),
        ("1", "unknown"),
        ("<think> yes, no, yes </think> no", "no"),
        ("<think> yes", "unknown"),
    ],
)
def test_only_a_plain_answer_is_one(text: str, word: str) -> None:
    assert answer_of(text).word == word


def test_a_judge_that_fails_is_recorded_for_the_pairs_it_fails_on() -> None:
    asked = []

    def judge(pairs: Sequence[tuple[str, str]]) -> list[str]:
        asked.append(len(pairs))
        if any("bad" in train for train, _ in pairs):
            raise RuntimeError("out of\nmemory")
        return ["no"] * len(pairs)

    found = answers(judge, [("good", "e")] * 16 + [("good", "e"), ("bad", "e"), ("good", "e")])
    assert [a.word for a in found] == ["no"] * 17 + ["unknown", "no"]
    assert found[17].said == "it failed, RuntimeError: out of memory"
    assert asked == [16, 3, 1, 1, 1]


def test_table_and_summary(tmp_path: Path) -> None:
    """Four evaluation rows: a paraphrase, one that the judge tells apart, one that it is silent on, one far from all."""
    evaluation = {"yes": BREAD, "no": SHEEP, "unknown": "Two " + OTHER, "far": "zebra quartz violin"}
    train = {"a": turned(BREAD), "b": turned(SHEEP), "c": turned("Two " + OTHER), "d": turned(SHEEP)}
    files = [TextFile(written(tmp_path / f"{n}.parquet", r)) for n, r in (("train", train), ("set", evaluation))]
    known = {turned(BREAD): "yes", turned(SHEEP): "no", turned("Two " + OTHER): "hm"}
    by = search(lambda pairs: [known[t] for t, _ in pairs])
    summary = overlap(batches(files[0]), batches(files[1]), tmp_path / "on.parquet", paraphrases=by)["set"]
    table = artifacts.read(tmp_path / "on.parquet", CONTAMINATION)
    pairs = {r["eval_id"]: r for r in table.filter(pl.col("record_type") == "pair").iter_rows(named=True)}
    assert {name: (r["train_id"], r["decision"]) for name, r in pairs.items()} == {
        "yes": ("a", "drop"),
        "no": ("b", "keep"),
        "unknown": ("c", "review"),
    }
    assert pairs["yes"]["reason"] == "cosine 1.000, the judge says yes"
    assert pairs["unknown"]["reason"] == "unknown: cosine 1.000, the judge gave no answer: it said 'hm'"
    assert {(r["method"], r["score"], r["threshold"], r["train_count"]) for r in pairs.values()} == {
        ("embedding", 1.0, 0.8, None)
    }
    assert json.loads(pairs["no"]["info_json"])["answer"] == "no"
    assert (summary["n_eval"], summary["n_clean"]) == (4, 2), "unknown is not clean, a pair told apart is"
    assert summary["n_by_decision"] == {"drop": 1, "review": 1, "template": 0}
    assert summary["n_by_method"] == {"exact": 0, "ngram": 0, "jaccard": 0, "lcs": 0, "embedding": 2}
    assert summary["embedding"]["pairs"] == {"yes": 1, "no": 1, "unknown": 1, "none": 0}
    assert summary["embedding"]["compared"] == 4
    assert summary["embedding"]["nearest_cosine"]["max"] == 1.0
    assert json.loads(table["params_json"][0])["paraphrases"]["threshold"] == 0.8
    prompts = pl.DataFrame({"prompt_id": list(evaluation)})
    assert clean_subset(tmp_path / "on.parquet", prompts) == ["no", "far"]
    found = copies(tmp_path / "on.parquet")["set"]
    assert (found.n, found.drop, found.review) == (4, 1, 1)


def test_off_is_as_if_there_were_no_such_stage(tmp_path: Path) -> None:
    train = {"copy": BREAD, "turned": turned(BREAD), "near": SHEEP.replace("hill", "field")}
    files = [
        TextFile(written(tmp_path / f"{n}.parquet", r))
        for n, r in (("train", train), ("set", {"e": BREAD, "f": SHEEP}))
    ]
    tables = {}
    for name, by in (("off", None), ("on", search())):
        overlap(batches(files[0]), batches(files[1]), tmp_path / f"{name}.parquet", paraphrases=by)
        tables[name] = artifacts.read(tmp_path / f"{name}.parquet", CONTAMINATION)
    assert "embedding" not in tables["off"].write_csv()
    assert "paraphrases" not in tables["off"].write_csv()
    kept = tables["on"].filter((pl.col("method") != "embedding") & (pl.col("record_type") == "pair"))
    off = tables["off"].filter(pl.col("record_type") == "pair")
    assert kept.drop("params_json").equals(off.drop("params_json"))
    assert len(kept) == 2 < len(tables["on"].filter(pl.col("record_type") == "pair"))
    counts = dict(tables["on"].select("train_id", "train_count").filter(pl.col("train_id").is_not_null()).rows())
    assert (counts["copy"], counts["turned"]) == (1, None), "the copy does not hold the words of the paraphrase"


def judge_saying(word: str, path: Path, max_length: int = 512) -> Path:
    """A causal LM whose most likely token is always `word`: its hidden state is one direction, and `word` lies along it."""
    tokenizer = word_tokenizer(["yes", "no"], max_length)
    shape = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "num_kv_heads": 1, "intermediate_size": 24}
    model = from_scratch(ModelSettings(max_length=max_length, **shape), tokenizer, 0)  # type: ignore[arg-type]
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "embed_tokens" in name:
                weight[:] = 1.0
                weight[tokenizer.convert_tokens_to_ids(word)] = 2.0
            elif "norm" not in name:
                weight[:] = 0.0
    save_policy(model, tokenizer, path)
    return path


def test_a_model_as_the_judge(tmp_path: Path) -> None:
    pairs = [(turned(BREAD), BREAD), ("short", SHEEP)]
    for word in ("yes", "no"):
        judge = model_judge(judge_saying(word, tmp_path / word), answer_tokens=3)
        assert list(judge(pairs)) == [f"{word} {word} {word}"] * 2
    narrow = model_judge(judge_saying("no", tmp_path / "narrow", max_length=64), answer_tokens=3)
    (answer,) = answers(narrow, pairs[:1])
    assert answer.word == "unknown"
    assert "are more than the 64 of the model" in answer.said


def test_a_judge_that_cannot_be_loaded_is_refused(tmp_path: Path) -> None:
    save_policy(*tiny_policy(), tmp_path / "m")
    with pytest.raises(ModelError, match="nothing: cannot be loaded"):
        ParaphraseSearch.load(Paraphrases(model=str(tmp_path / "m"), judge=str(tmp_path / "nothing")))
