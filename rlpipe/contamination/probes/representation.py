"""How a policy's hidden states of a prompt react when the prompt is perturbed: three measures and their common score.

**L** layers, **H** width, **M** variants of a prompt.

Source: LaRA, arXiv:2605.29888, reconstructed from its abstract: the published formulas were not to be had, so every
formula here is ours and its numbers are not those of the paper.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

Array = np.ndarray
MEASURES = ("rsm", "dc", "rsi")
FEWEST_SHIFTS = 3  # for their directions to be compared
FEWEST_ALIKE = 10  # never-trained prompts of the same source and level, for these alone to be the reference
FEWEST = 3  # never-trained prompts at all
Row = Mapping[str, Any]


def shift_magnitude(original: Float[Array, "L H"], deleted: Float[Array, "M L H"]) -> Float[Array, "L"]:
    """Mean length of the shift when something is left out, over the length of the state itself (RSM)."""
    shift = np.linalg.norm(deleted - original, axis=-1).mean(0)
    return np.asarray(_over(shift, np.linalg.norm(original, axis=-1)))


def directional_collapse(original: Float[Array, "L H"], deleted: Float[Array, "M L H"]) -> Float[Array, "L"]:
    """Mean cosine between the directions of the shifts, (|sum u|^2 - M) / (M (M - 1)) of unit shifts u (DC)."""
    shift, m = deleted - original, len(deleted)
    unit = _over(shift, np.linalg.norm(shift, axis=-1, keepdims=True))
    return np.asarray((np.square(unit.sum(0)).sum(-1) - m) / (m * (m - 1)))


def stability(original: Float[Array, "L H"], reworded: Float[Array, "M L H"]) -> Float[Array, "L"]:
    """Mean cosine between the states of the prompt and of the same prompt in other words (RSI)."""
    lengths = np.linalg.norm(reworded, axis=-1) * np.linalg.norm(original, axis=-1)
    return np.asarray(_over((reworded * original).sum(-1), lengths).mean(0))


def _over(a: Float[Array, "..."], b: Float[Array, "..."]) -> Float[Array, "..."]:
    """a / b, NaN where b is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b > 0, a / b, np.nan)


def measure(
    original: Float[Array, "L H"], deleted: Float[Array, "M L H"], reworded: Float[Array, "R L H"]
) -> dict[str, list[float | None]]:
    """The measures of the upper half of the layers; None where a prompt has too few variants for one."""
    upper = slice(len(original) // 2, None)
    missing = np.full(len(original), np.nan)
    found = {
        "rsm": shift_magnitude(original, deleted) if len(deleted) else missing,
        "dc": directional_collapse(original, deleted) if len(deleted) >= FEWEST_SHIFTS else missing,
        "rsi": stability(original, reworded) if len(reworded) else missing,
    }
    return {name: [float(v) if np.isfinite(v) else None for v in values[upper]] for name, values in found.items()}


def robust_z(values: Float[Array, "n ..."], reference: Float[Array, "r ..."]) -> Float[Array, "n ..."]:
    """(value - median) / (1.4826 MAD) of the reference, NaN left out; NaN where the MAD is 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a measure that no prompt has is NaN
        median = np.nanmedian(reference, axis=0)
        mad = np.nanmedian(np.abs(reference - median), axis=0)
    return _over(values - median, np.broadcast_to(1.4826 * mad, values.shape))


@dataclass(frozen=True)
class Reaction:
    """What one policy's states of one prompt did: `values [3, L']` over measures and the upper half of the layers."""

    prompt: str
    kind: tuple[str, str | None]  # source and level
    clean: bool  # never trained on
    values: Float[Array, "3 L"]

    @classmethod
    def of(cls, row: Row, info: Mapping[str, Any], clean: bool) -> Reaction:
        values = np.array([[np.nan if v is None else v for v in info[name]] for name in MEASURES], dtype=float)
        return cls(row["prompt_id"], (row["data_source"], row["difficulty"]), clean, values)


def reaction_scores(rows: Iterable[Row], clean: str) -> dict[tuple[str, str], float]:
    """The score by model and prompt, from rows of the pass `states`; `clean` is the role of never-trained prompts.

    Of a policy that was asked together with its control (the policy before training), the change from the control is
    scored: difficulty and wording cancel. The control itself, or a policy without one, is scored by its own values, and
    shows what the prompts differed by before. Every measure and layer is standardised by median and MAD of the
    never-trained prompts of the same source and level (of the source, or of all, where these are fewer than 10), and the
    mean is the score: larger, stronger and more rigid are suspicious, fixed in advance. NaN where nothing is to be had.
    """
    by_model: dict[str, dict[str, Reaction]] = {}
    controls = set()
    for row in rows:
        info = json.loads(row["info_json"])
        by_model.setdefault(row["model_id"], {})[row["prompt_id"]] = Reaction.of(row, info, info["role"] == clean)
        if info.get("control"):
            controls.add(row["model_id"])
    before = by_model[min(controls)] if controls else {}
    scores: dict[tuple[str, str], float] = {}
    for model, found in by_model.items():
        changed = found if model in controls or not controls else _changes(found, before)
        scores |= {(model, prompt): value for prompt, value in _scores(list(changed.values())).items()}
    return scores


def _changes(after: Mapping[str, Reaction], before: Mapping[str, Reaction]) -> dict[str, Reaction]:
    """`after` minus `before` of the prompts that both were asked."""
    both = after.keys() & before.keys()
    return {p: Reaction(p, r.kind, r.clean, r.values - before[p].values) for p, r in after.items() if p in both}


def _scores(found: Sequence[Reaction]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for kind in {r.kind for r in found}:
        own = [r for r in found if r.kind == kind]
        reference = _reference(found, kind)
        if len(reference) < FEWEST:
            continue
        z = robust_z(np.stack([r.values for r in own]), np.stack([r.values for r in reference]))
        scores |= {r.prompt: _mean(values) for r, values in zip(own, z, strict=True)}
    return scores


def _reference(found: Sequence[Reaction], kind: tuple[str, str | None]) -> list[Reaction]:
    clean = [r for r in found if r.clean]
    alike = [r for r in clean if r.kind == kind]
    of_source = [r for r in clean if r.kind[0] == kind[0]]
    return next((group for group in (alike, of_source) if len(group) >= FEWEST_ALIKE), clean)


def _mean(z: Float[Array, "3 L"]) -> float:
    """Over the layers, then over the measures that are there."""
    present = [float(row[np.isfinite(row)].mean()) for row in z if np.isfinite(row).any()]
    return float(np.mean(present)) if present else float("nan")
