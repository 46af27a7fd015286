"""Who learns what: the split of a prompt, by hash of its id and the seed alone."""

from __future__ import annotations

from collections.abc import Sequence

from rlpipe.curate.settings import SPLITS, Fractions
from rlpipe.types import draw_seed


def split_of(prompt_id: str, allowed: Sequence[str], fractions: Fractions, seed: int) -> str:
    """The split of a prompt among those its source may go to, with probabilities in proportion to their fractions.

    It does not change when other prompts come or go.
    """
    open_to = [name for name in SPLITS if name in allowed]
    shares = [getattr(fractions, name) for name in open_to]
    if len(open_to) == 1:
        return open_to[0]
    place = draw_seed(seed, "split", prompt_id) / 2**63 * sum(shares)
    for name, share in zip(open_to, shares, strict=True):
        place -= share
        if place < 0:
            return name
    return [name for name, share in zip(open_to, shares, strict=True) if share > 0][-1]
