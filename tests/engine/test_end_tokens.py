"""Every end token ends, and none reaches the verifier."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rlpipe import models
from rlpipe.engine.batched import complete_all
from rlpipe.engine.hf import HFEngine
from rlpipe.types import Sampling

ENDS = ("<|eot|>", "<|eom|>")
TURNS = (
    "{% for m in messages %}<|head|>{{ m['content'] }}<|eot|>{% endfor %}"
    "{% if add_generation_prompt %}<|head|>{% endif %}"
)


@pytest.fixture
def tokenizer() -> Any:
    """One end token of its own, two more that only the generation config names."""
    found = models.word_tokenizer([f"w{i}" for i in range(20)], 64)
    found.add_special_tokens({"additional_special_tokens": ["<respond>", "<|head|>", *ENDS]})
    return found


def model(tokenizer: Any, **config: Any) -> Any:
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **shape, **config))


def listed(tokenizer: Any) -> Any:
    found = model(tokenizer)
    found.generation_config.eos_token_id = [tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(list(ENDS))]
    return found


def test_all_of_the_generation_config_end_a_response_and_are_no_text(tokenizer: Any) -> None:
    engine = HFEngine(listed(tokenizer), tokenizer)
    found = complete_all(engine, [[1, 7]] * 200, Sampling(30), list(range(200)))
    last = {int(r.tokens[-1]) for r in found if r.finish == "stop"}
    assert last == engine.ends
    assert len(last) == 3
    for rollout in found:
        written = rollout.tokens[rollout.response_mask].tolist()
        assert engine.ends.isdisjoint(written[:-1])
        assert not any(end in rollout.text for end in ("<eos>", *ENDS))
        assert (rollout.finish == "stop") == (written[-1] in engine.ends)
    assert engine.ends <= engine.special_ids


def test_an_id_of_the_config_that_is_an_ordinary_word_ends_nothing(tokenizer: Any) -> None:
    word = tokenizer.convert_tokens_to_ids("w3")
    assert models.end_tokens(model(tokenizer, eos_token_id=word), tokenizer) == {tokenizer.eos_token_id}
    special = tokenizer.convert_tokens_to_ids("<|eot|>")
    assert models.end_tokens(model(tokenizer, eos_token_id=special), tokenizer) == {tokenizer.eos_token_id, special}


def test_a_reply_does_not_end_twice_a_turn_that_ended_with_another_end_token(tokenizer: Any) -> None:
    tokenizer.chat_template = TURNS
    engine, message = HFEngine(listed(tokenizer), tokenizer), [{"role": "user", "content": "w1"}]
    told = {ended: tokenizer.decode(engine.encode_reply(message, ended)).split() for ended in (True, False)}
    assert told[True] == ["<|head|>", "w1", "<|eot|>", "<|head|>"]
    assert told[False] == ["<|eot|>", *told[True]]


def test_a_tokenizer_that_ends_every_text_does_not_end_the_prompt(tokenizer: Any) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer.chat_template = None
    ids = [("<bos>", tokenizer.bos_token_id), ("<eos>", tokenizer.eos_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<bos> $A <eos>", special_tokens=ids)
    assert tokenizer("w1 w2")["input_ids"][-1] == tokenizer.eos_token_id
    assert tokenizer.decode(models.encode(tokenizer, [{"role": "user", "content": "w1 w2"}])) == "<bos> w1 w2"
