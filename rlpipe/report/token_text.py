"""Token ids as the pieces of text they stand for, with the policy's own tokenizer and without its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

CONTEXT = 8  # tokens before that a tokenizer may need to place spaces and to join bytes to characters
UNFINISHED = "\ufffd"
Decode = Callable[[Sequence[int]], str]


def decoder(policy: Path) -> Decode | None:
    """Token ids -> text, from a policy's folder in Hugging Face layout; None where it holds no tokenizer."""
    if (policy / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        core = Tokenizer.from_file(str(policy / "tokenizer.json"))
        return lambda ids: str(core.decode(list(ids), skip_special_tokens=False))
    if (policy / "tokenizer_config.json").is_file():
        from transformers import AutoTokenizer

        slow = AutoTokenizer.from_pretrained(policy, local_files_only=True)
        return lambda ids: str(slow.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))
    return None


def pieces(ids: Sequence[int], decode: Decode) -> list[str]:
    """The text each token adds to those before it; together they are the decoded text.

    A token that ends inside a character adds nothing; the token that completes the character adds it.
    """
    found: list[str] = []
    start = done = 0  # text of ids[start:done] has been handed out
    for i in range(len(ids)):
        before, after = decode(ids[start:done]), decode(ids[start : i + 1])
        if after.endswith(UNFINISHED) and i + 1 < len(ids):
            found.append("")
            continue
        found.append(after[len(before) :])
        start, done = max(done - CONTEXT, start), i + 1
        if done - start > CONTEXT:
            start = done - CONTEXT
    return found
