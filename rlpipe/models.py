"""Policies and their tokenizers: from a shape (tiny, from scratch) or from a pretrained path, in Hugging Face layout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from rlpipe.params.model_settings import MAX_LENGTH, ModelSettings

PAD, BOS, EOS, UNKNOWN, RESPOND = "<pad>", "<bos>", "<eos>", "<unk>", "<respond>"
MAX_WORDS = 20_000
STAND_IN = "stand-in-for-a-turn"
LIMIT = "rlpipe_max_length"  # key of config.json
THINK, THINK_TOKENS = "<think>", 16  # the tag, and the tokens at the end of a prompt among which it is looked for
CHAT_TEMPLATE = (
    "{{ '" + BOS + "' }}{% for message in messages %} {{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %} " + RESPOND + "{% endif %}"
)


class ModelError(ValueError):
    """A model path or shape that cannot be used; the message names the place and the remedy."""


def word_tokenizer(words: Iterable[str], max_length: int) -> Any:
    """A tokenizer whose tokens are whitespace-separated words, saved and loaded like any other.

    Raises: ModelError beyond 20,000 distinct words: text that open needs a pretrained model.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = [PAD, BOS, EOS, UNKNOWN, RESPOND]
    vocabulary = special + sorted(set(words) - set(special))
    if len(vocabulary) > MAX_WORDS:
        raise ModelError(
            f"model: the prompts have {len(vocabulary):,} distinct words, more than the {MAX_WORDS:,} a model from scratch "
            f"takes; set `model.path` to a pretrained model with its own tokenizer"
        )
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token=UNKNOWN))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [RESPOND]})
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def from_scratch(settings: ModelSettings, tokenizer: Any, seed: int) -> nn.Module:
    """A causal LM of the given shape with float32 weights drawn from `seed`."""
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    config_class, model_class = {
        "llama": (LlamaConfig, LlamaForCausalLM),
        "qwen3": (Qwen3Config, Qwen3ForCausalLM),
    }[settings.architecture]
    shape: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": settings.hidden_size,
        "intermediate_size": settings.intermediate_size,
        "num_hidden_layers": settings.num_layers,
        "num_attention_heads": settings.num_heads,
        "num_key_value_heads": settings.num_kv_heads,
        "head_dim": settings.hidden_size // settings.num_heads,
        "max_position_embeddings": settings.max_length or MAX_LENGTH,
        "initializer_range": settings.init_std,
        "tie_word_embeddings": True,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    torch.manual_seed(seed)
    return model_class(config_class(**shape)).to(device())


def load_policy(path: str | Path, dtype: str | None = None) -> tuple[nn.Module, Any]:
    """Model and tokenizer of a Hugging Face directory (or name, where the machine can fetch it).

    Raises: ModelError naming the path and what is missing: the directory, its config, its weights or its tokenizer.
    """
    from transformers import AutoModelForCausalLM

    local = Path(path)
    if local.exists() and not (local / "config.json").is_file():
        raise ModelError(f"model {path}: no config.json; give a directory written by `save_pretrained`")
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(str(path), dtype=getattr(torch, dtype) if dtype else "auto")
    except (OSError, ValueError) as error:
        raise ModelError(f"model {path}: cannot be loaded: {first_line(error)}") from error
    return model.to(device()), _tokenizer(path)


def load_tokenizer(path: str | Path) -> tuple[Any, Any]:
    """Config and tokenizer of a Hugging Face directory (or name), without its weights.

    Raises: ModelError as `load_policy`.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(str(path))
    except (OSError, ValueError) as error:
        raise ModelError(f"model {path}: its config cannot be read: {first_line(error)}") from error
    return config, _tokenizer(path)


def _tokenizer(path: str | Path) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"model {path}: has no usable tokenizer ({first_line(error)}); save one beside the weights with "
            f"`tokenizer.save_pretrained({str(path)!r})`"
        ) from error
    if tokenizer.eos_token_id is None:
        raise ModelError(
            f"model {path}: its tokenizer has no end-of-sequence token; set `eos_token` in tokenizer_config.json"
        )
    return tokenizer


def device() -> torch.device:
    """Where models go: the accelerator of this process, or the CPU."""
    from accelerate import PartialState

    return PartialState().device


def folded_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's state as any library loads it: of parametrised weights what they come to, under their plain names."""
    state = {name: value for name, value in model.state_dict().items() if "parametrizations." not in name}
    for path, module in model.named_modules():
        if parametrize.is_parametrized(module):
            for name in module.parametrizations:
                state[f"{path}.{name}"] = getattr(module, name).detach()
    return state


def save_policy(model: nn.Module, tokenizer: Any, directory: Path) -> None:
    """Weights (safetensors), config and tokenizer; complete or absent. Parametrised weights are folded."""
    temporary = directory.with_name(directory.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    changed = any(parametrize.is_parametrized(module) for module in model.modules())
    state = folded_state(model) if changed else None
    model.save_pretrained(temporary, state_dict=state, safe_serialization=True)  # type: ignore[operator]
    tokenizer.save_pretrained(temporary)
    shutil.rmtree(directory, ignore_errors=True)
    os.replace(temporary, directory)


def encode(tokenizer: Any, messages: Iterable[Any]) -> list[int]:
    """Token ids of a conversation, with the generation prompt.

    Raises: ModelError if the tokenizer has no chat template and the conversation more than one turn.
    """
    turns = [dict(m) for m in messages]
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if len(turns) > 1:
        raise ModelError("the tokenizer has no chat template, so only single-message prompts can be encoded")
    ids = list(tokenizer(turns[0]["content"])["input_ids"])
    while len(ids) > 1 and ids[-1] == tokenizer.eos_token_id:  # some tokenizers end every text; a response is to follow
        ids.pop()
    return ids


def opened(tokenizer: Any, prefix: Sequence[int]) -> str:
    """What a prompt leaves open for the policy: `<think>` where its template ends with it, else nothing.

    What is written then is thinking until `</think>`, though the policy has not written that it begins.
    """
    end = tokenizer.decode(list(prefix[-THINK_TOKENS:])).rstrip()
    return THINK if end.endswith(THINK) else ""


def encode_reply(tokenizer: Any, messages: Iterable[Any], ends: Collection[int]) -> list[int]:
    """Token ids of what follows a turn of the policy, with the generation prompt.

    `ends`: end tokens, where the policy closed its turn with one; none where it was cut.

    What the template writes after a turn is read off a conversation whose turn is a stand-in: from the end of that turn
    on, its end token left out where the policy wrote it itself. So no token of the policy is ever encoded again. Messages
    of the role `inline` are text as it stands.
    Raises: ModelError if the tokenizer has no chat template, or one that does not keep the text of turns.
    """
    messages = [dict(m) for m in messages]
    if all(m["role"] == "inline" for m in messages):
        return list(tokenizer("".join(m["content"] for m in messages), add_special_tokens=False)["input_ids"])
    if not tokenizer.chat_template:
        raise ModelError("the tokenizer has no chat template, so a conversation cannot go on after the first turn")
    turns = [{"role": "user", "content": STAND_IN}, {"role": "assistant", "content": STAND_IN}, *messages]
    text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    parts = text.split(STAND_IN)
    if len(parts) < 3:
        raise ModelError("the chat template leaves out turns of a conversation, so that replies cannot be encoded")
    after = STAND_IN.join(parts[2:])
    bare = after.lstrip()
    written = next((end for end in tokenizer.convert_ids_to_tokens(sorted(ends)) if bare.startswith(end)), None)
    return list(tokenizer(bare.removeprefix(written) if written else after, add_special_tokens=False)["input_ids"])


def end_tokens(model: nn.Module, tokenizer: Any) -> frozenset[int]:
    """Ids that end a response: the tokenizer's own, and those of the generation config and config that it knows as special.

    Llama 3, Qwen and Gemma list several. A config that nobody filled in names an id that may be an ordinary word.
    """
    known = tokenizer.added_tokens_decoder
    special = {*tokenizer.all_special_ids, *(i for i, token in known.items() if token.special)}
    found = {tokenizer.eos_token_id}
    for config in (getattr(model, "generation_config", None), model.config):
        ids = getattr(config, "eos_token_id", None)
        found |= {i for i in (ids if isinstance(ids, list | tuple) else [ids]) if i in special}
    return frozenset(found)


def longest(config: Any) -> int | None:
    """Tokens of the longest sequence: the checkpoint's own limit, or a lower one set here; None where there is none."""
    names = ("max_position_embeddings", "max_seq_len", "seq_length", LIMIT)
    limits = [limit for name in names if isinstance(limit := getattr(config, name, None), int)]
    return min(limits, default=None)


def num_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
