"""The warm-up: learns its demonstrations, resumes bitwise, and says what it cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rlpipe import artifacts, models
from rlpipe.params.model_settings import ModelSettings
from rlpipe.train import checkpoint
from rlpipe.train.sft import warm_up as sft
from rlpipe.train.sft.settings import SftSettings
from rlpipe.train.sft.warm_up import batches, schedule, tensors, warm_up

SHAPE = ModelSettings(hidden_size=32, num_layers=1, num_heads=2, num_kv_heads=1, intermediate_size=48, max_length=32)
SETTINGS = SftSettings(steps=12, batch=8, threads=1, checkpoint_every=5)


def message(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.fixture
def curated(tmp_path: Path) -> Path:
    rows = [
        {
            "prompt_id": f"p{i}",
            "data_source": "toy",
            "prompt": message(f"say w{i % 5}"),
            "response": f"w{i % 5} {style}",
        }
        for i in range(10)
        for style in ("once", "twice")
    ]
    prompt = {"norm_hash": "", "data_source": "toy", "prompt": message("say w1 please"), "metadata_json": "{}"}
    structs = {"reward_model": {"style": "rule", "ground_truth": "w1"}, "extra_info": {"split": "test", "index": "0"}}
    (tmp_path / "curated").mkdir()
    artifacts.write(tmp_path / "curated" / "demonstrations.parquet", artifacts.DEMONSTRATIONS, rows)
    artifacts.write(
        tmp_path / "curated" / "prompts.parquet", artifacts.PROMPTS, [{"prompt_id": "t"} | prompt | structs]
    )
    return tmp_path / "curated"


def run(curated: Path, out: Path, settings: SftSettings = SETTINGS, shape: ModelSettings = SHAPE) -> Path:
    scratch = out.with_name(out.name + "-scratch")
    out.mkdir(exist_ok=True)
    scratch.mkdir(exist_ok=True)
    warm_up(shape, settings, curated, out, scratch)
    return out


def weights(out: Path) -> bytes:
    return (out / "policy" / "model.safetensors").read_bytes()


def test_killed_and_resumed_it_ends_bitwise_where_it_would_have(
    curated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(curated, tmp_path / "whole")
    learn, left = sft.learn, {"calls": 8}

    def fatal(*args: object) -> object:
        left["calls"] -= 1
        if left["calls"] < 0:
            raise KeyboardInterrupt
        return learn(*args)

    monkeypatch.setattr(sft, "learn", fatal)
    with pytest.raises(KeyboardInterrupt):
        run(curated, tmp_path / "killed")
    state = checkpoint.load(tmp_path / "killed-scratch" / "checkpoint.pt")
    assert state is not None
    assert state["step"] == 5
    monkeypatch.setattr(sft, "learn", learn)
    resumed = run(curated, tmp_path / "killed")
    assert weights(resumed) == weights(expected)
    assert (resumed / "metrics.parquet").read_bytes() == (expected / "metrics.parquet").read_bytes()


def test_it_learns_its_demonstrations(curated: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"steps": 120})
    rows = artifacts.read(run(curated, tmp_path / "out", settings) / "metrics.parquet", artifacts.SFT_STEPS)
    # Two responses to each prompt: no policy gets below ln 2 / 3 tokens, about 0.23 nats.
    assert float(rows["loss"][0]) > 2
    assert 0.2 < float(rows["loss"][-10:].mean()) < 0.4


def test_the_vocabulary_holds_every_word_and_the_policy_loads(curated: Path, tmp_path: Path) -> None:
    _, tokenizer = models.load_policy(run(curated, tmp_path / "out") / "policy")
    assert {"say", "please", "once", "twice", "w0", "w4"} <= set(tokenizer.get_vocab())
    ids = models.encode(tokenizer, message("say w1"))
    assert tokenizer.convert_ids_to_tokens(ids) == ["<bos>", "say", "w1", "<respond>"]


def test_a_share_of_the_demonstrations_asks_for_a_second_response(curated: Path, tmp_path: Path) -> None:
    out = run(curated, tmp_path / "out", SETTINGS.model_copy(update={"second_share": 0.5}))
    assert "otherwise" in models.load_policy(out / "policy")[1].get_vocab()


def test_steps_0_saves_the_model_as_it_is(curated: Path, tmp_path: Path) -> None:
    out = run(curated, tmp_path / "out", SETTINGS.model_copy(update={"steps": 0}))
    assert artifacts.read(out / "metrics.parquet", artifacts.SFT_STEPS).is_empty()
    again = run(curated, tmp_path / "again", SETTINGS, ModelSettings(path=str(out / "policy")))
    assert weights(again) != weights(out)


def test_a_demonstration_longer_than_the_model_is_named(curated: Path, tmp_path: Path) -> None:
    short = SHAPE.model_copy(update={"max_length": 5})
    with pytest.raises(ValueError, match=r"demonstration of prompt p0 has 7 tokens, more than the model takes \(5\)"):
        run(curated, tmp_path / "out", SETTINGS, short)


def test_batches_cover_every_demonstration_once_per_epoch() -> None:
    examples = [([1] * (3 + i % 4), 1) for i in range(20)]
    first = [i for _, batch in list(batches(examples, 6, 4, seed=3)) for i in batch]
    assert sorted(first) == list(range(20))
    assert list(batches(examples, 6, 9, 3)) == list(batches(examples, 6, 9, 3))


def test_schedule_rises_stays_and_falls() -> None:
    settings = SftSettings(steps=100, warmup=0.1, decay=0.2)
    assert [round(schedule(s, settings), 2) for s in (0, 9, 50, 80, 90, 99)] == [0.1, 1.0, 1.0, 1.0, 0.5, 0.05]


def test_the_mask_covers_response_and_end_token() -> None:
    tokens, mask = tensors([([1, 2, 3, 4], 2), ([1, 5], 1)], pad=0, device=torch.device("cpu"))
    assert tokens.tolist() == [[1, 2, 3, 4], [1, 5, 0, 0]]
    assert mask.tolist() == [[False, False, True, True], [False, True, False, False]]
