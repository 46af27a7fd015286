"""The detectors by name, their direction, and their scores recomputed from the raw paths of `probes.parquet`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from rlpipe.contamination.probes import scores
from rlpipe.contamination.probes.representation import reaction_scores

VERSION = "1"
GREEDY, SECOND, NOISE, SAMPLE, STATES = "greedy", "critique", "noise", "sample", "states"
PASSES = (GREEDY, SECOND, NOISE, SAMPLE, STATES)
MEMBER, NONMEMBER, SUSPECT = "member", "nonmember", "suspect"
NO_SCORE = "too short, or a pass is missing"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Paths:
    """Everything one policy wrote about one prompt: its rows of `probes.parquet` by pass, and how its states react."""

    greedy: Row = field(default_factory=dict)
    second: Row = field(default_factory=dict)
    noise: Row = field(default_factory=dict)
    samples: tuple[Row, ...] = ()
    reaction: float = math.nan

    @classmethod
    def of(cls, rows: Iterable[Row], reaction: float = math.nan) -> Paths:
        """`reaction`: how its hidden states react, among all prompts asked (`representation.reaction_scores`).

        Raises: ValueError for an unknown pass, or for two rows of one prompt in a pass that is not `sample`.
        """
        single: dict[str, Row] = {}
        samples: list[Row] = []
        for row in rows:
            if row["pass"] == SAMPLE:
                samples.append(row)
            elif row["pass"] not in PASSES or row["pass"] in single:
                why = "twice" if row["pass"] in single else f"not one of {', '.join(PASSES)}"
                raise ValueError(f"probes: prompt {row['prompt_id']}: pass {row['pass']!r} is {why}")
            else:
                single[row["pass"]] = row
        samples.sort(key=lambda r: r["sample_index"])
        return cls(single.get(GREEDY, {}), single.get(SECOND, {}), single.get(NOISE, {}), tuple(samples), reaction)


def _path(row: Row, column: str) -> Any:
    return row.get(column) or []


@dataclass(frozen=True)
class Detector:
    """`score` of a prompt's paths; `direction` +1 where a high score is suspicious, -1 where a low one is; `why` says
    what of a trained prompt makes it so.

    The direction is a part of the detector, written down before any label is seen. Directions are those of the paper's
    released code, reasons are those of its authors or, where they give none or another, ours.
    """

    name: str
    title: str
    direction: int
    why: str
    score: Callable[[Paths], float]

    @property
    def suspicious(self) -> str:
        """The end of the scale that is suspicious."""
        return "high" if self.direction > 0 else "low"

    @property
    def reading(self) -> str:
        """`low: it is sure of its response`."""
        return f"{self.suspicious}: {self.why}"


def _self_critique(p: Paths) -> float:
    """No score where the policy has no token for the marker that should ask for a second response."""
    if _unheard(p):
        return math.nan
    return scores.self_critique(_path(p.greedy, "entropies"), _path(p.second, "entropies"))


def _unheard(p: Paths) -> bool:
    return "unknown_tokens" in json.loads(p.second.get("info_json") or "{}")


def _min_k_plus_plus(p: Paths) -> float:
    return scores.min_k_plus_plus(*(_path(p.greedy, c) for c in ("logprobs", "means", "variances")))


def _accuracy(p: Paths) -> float:
    return scores.accuracy([bool(r["acc"]) for r in (p.greedy, *p.samples) if r.get("acc") is not None])


DETECTORS: dict[str, Detector] = {
    d.name: d
    for d in (
        Detector(
            "self_critique",
            "Self-Critique",
            +1,
            "asked for another way, it goes the same way through its doubts",
            _self_critique,
        ),
        Detector("ppl", "PPL", -1, "it is sure of its response", lambda p: scores.ppl(_path(p.greedy, "logprobs"))),
        Detector(
            "min_k",
            "Min-K%",
            +1,
            "the released code\u2019s sign; its inventors\u2019, and what training does, is the opposite",
            lambda p: scores.min_k(_path(p.greedy, "logprobs")),
        ),
        Detector("min_k_plus_plus", "Min-K%++", +1, "even its least likely tokens are near a mode", _min_k_plus_plus),
        Detector(
            "recall",
            "ReCaLL",
            +1,
            "unrelated text around the prompt costs it its sureness",
            lambda p: scores.recall(_path(p.greedy, "logprobs"), _path(p.noise, "logprobs")),
        ),
        Detector(
            "cdd",
            "CDD",
            +1,
            "samples repeat the greedy response",
            lambda p: scores.cdd(_path(p.greedy, "response_ids"), [_path(s, "response_ids") for s in p.samples]),
        ),
        Detector(
            "entropy_temp",
            "Entropy-Temp",
            +1,
            "sampling does not lead it off its way",
            lambda p: scores.entropy_temp(_path(p.greedy, "entropies"), [_path(s, "entropies") for s in p.samples]),
        ),
        Detector(
            "entropy_noise",
            "Entropy-Noise",
            -1,
            "what it knows hangs on the exact prompt, which unrelated text disturbs",
            lambda p: scores.entropy_noise(_path(p.greedy, "entropies"), _path(p.noise, "entropies")),
        ),
        Detector(
            "greedy_entropy",
            "Greedy entropy",
            -1,
            "training on a prompt leaves little doubt about its tokens",
            lambda p: scores.greedy_entropy(_path(p.greedy, "entropies")),
        ),
        Detector(
            "lara",
            "LaRA, reconstructed",
            +1,
            "its states move further when part of the prompt is left out, all one way, and less when it is reworded",
            lambda p: p.reaction,
        ),
        Detector("accuracy", "Accuracy", +1, "what is trained on is solved", _accuracy),
    )
}


def role_of(row: Row) -> str:
    """`member`, `nonmember` or `suspect`: suspects are benchmark prompts, whose label is not known from training."""
    told = json.loads(row["info_json"]).get("role") if row.get("info_json") else None
    return told or (MEMBER if row["label"] else NONMEMBER)


def score_probes(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Every detector's score of every prompt, from the raw paths alone: rows of contamination/1, record_type `probe`.

    A score that cannot be computed is null, with the reason; `label` is null for suspects. Rows are sorted by model,
    prompt and detector.

    Raises: ValueError as `Paths.of`.
    """
    rows = []
    reacted = reaction_scores(frame.filter(pl.col("pass") == STATES).iter_rows(named=True), NONMEMBER)
    keys = ["model_id", "prompt_id"]
    for (model_id, prompt_id), part in sorted(frame.group_by(keys, maintain_order=True), key=lambda item: item[0]):
        found = part.to_dicts()
        paths, first = Paths.of(found, reacted.get((model_id, prompt_id), math.nan)), found[0]
        role = role_of(first)
        for detector in DETECTORS.values():
            value = detector.score(paths)
            missing = math.isnan(value)
            unheard = detector.name == "self_critique" and _unheard(paths)
            why = "the policy has no token for the marker (sft.second_share)" if unheard else NO_SCORE
            rows.append(
                {
                    "record_type": "probe",
                    "method": detector.name,
                    "method_version": VERSION,
                    "decision": "unknown",
                    "eval_set": first["data_source"],
                    "eval_id": prompt_id,
                    "score": None if missing else value,
                    "direction": detector.direction,
                    "label": None if role == SUSPECT else bool(first["label"]),
                    "model_id": model_id,
                    "policy_step": first["policy_step"],
                    "reason": why if missing else None,
                    "info_json": json.dumps({"role": role, "difficulty": first["difficulty"]}, sort_keys=True),
                }
            )
    return rows
