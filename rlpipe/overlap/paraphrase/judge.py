"""A judge of paraphrases: a causal LM that is asked whether two problems are one in other words.

Whatever is not a plain yes or no, a failure included, is `unknown`, and is never taken for a no.
Source: LLM-decontaminator, arXiv:2311.04850, section 4. Differs: greedy, our own question, and there a judge that fails
says no.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Judge = Callable[[Sequence[tuple[str, str]]], Sequence[str]]  # what it says of each pair (training, evaluation) text
Word = Literal["yes", "no", "unknown"]
AT_ONCE = 16
SAID_CHARACTERS = 80
# Numbers are compared by rule, not by the judge: a pair with other numbers is of one template at most.
QUESTION = """Here are two problems.

Problem A:
{train}

Problem B:
{evaluation}

Are A and B the same problem in other words? They are if they describe the same situation and ask for the same thing, so \
that whoever can solve one can solve the other in the same way. Names, wording, the order of sentences and the values of \
numbers may differ. Answer with one word, yes or no."""


@dataclass(frozen=True)
class Answer:
    """What a judge says of a pair; `said` is its own words, or why there are none."""

    word: Word
    said: str


def answer_of(text: str) -> Answer:
    """Yes or no if that is the first word and the other does not follow; thinking aloud is left out."""
    rest = text.rpartition("</think>")[2]
    said = " ".join(rest.split())[:SAID_CHARACTERS]
    if "<think>" in rest:
        return Answer("unknown", "its thinking has no end within the tokens of an answer")
    words = re.findall(r"[^\W\d_]+", rest.casefold())
    if words and words[0] in ("yes", "no") and not {"yes", "no"} <= set(words):
        return Answer("yes" if words[0] == "yes" else "no", said)
    return Answer("unknown", f"it said {said!r}" if said else "it said nothing")


def answers(judge: Judge, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
    """An answer to every pair; where the judge fails on several at once, each is asked by itself."""
    found: list[Answer] = []
    for start in range(0, len(pairs), AT_ONCE):
        found += _asked(judge, pairs[start : start + AT_ONCE])
    return found


def _asked(judge: Judge, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
    # The failure is not hidden: it is the pair's recorded reason, and counted in the summary.
    try:
        said = judge(pairs)
    except (RuntimeError, ValueError, IndexError) as error:
        if len(pairs) > 1:
            return [answer for pair in pairs for answer in _asked(judge, [pair])]
        reason = " ".join(str(error).split())[:SAID_CHARACTERS]
        return [Answer("unknown", f"it failed, {type(error).__name__}: {reason}")]
    assert len(said) == len(pairs), f"{len(said)} answers to {len(pairs)} questions"
    return [answer_of(text) for text in said]


def model_judge(path: str | Path, answer_tokens: int) -> Judge:
    """A Hugging Face causal LM as a judge, decoding greedily.

    Raises: ModelError for a path that cannot be loaded. The judge raises ValueError for a pair it has no room for.
    """
    import torch

    from rlpipe.models import encode, load_policy, longest

    loaded, tokenizer = load_policy(path)
    model: Any = loaded.eval()
    limit = longest(model.config)
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    @torch.no_grad()
    def judge(pairs: Sequence[tuple[str, str]]) -> list[str]:
        questions = [QUESTION.format(train=train, evaluation=evaluation) for train, evaluation in pairs]
        prompts = [encode(tokenizer, [{"role": "user", "content": question}]) for question in questions]
        longest = max(map(len, prompts))
        if limit and longest + answer_tokens > limit:
            raise ValueError(f"{longest} tokens and {answer_tokens} of answer are more than the {limit} of the model")
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts], device=model.device)
        real = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=model.device)
        # Said in full: what a model's own generation_config says would else apply.
        greedy = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "max_new_tokens": answer_tokens}
        done = model.generate(input_ids=ids, attention_mask=real, pad_token_id=pad, **greedy)
        return list(tokenizer.batch_decode(done[:, longest:], skip_special_tokens=True))

    return judge
