"""The verdict on a benchmark: clean, review, contaminated or unknown, always with its reasons in words.

Rules, in the order in which they decide; the first that has a reason names the decision, all reasons are kept:

contaminated   the share of its prompts found in the training prompts reaches `contaminated_share`; or, with enough
prompts per class, the primary detector's interval lies above 0.5, and so does its difference to the control above 0
review         any prompt found in the training prompts; any near copy; the primary detector above 0.5 but not above
the control, or with few prompts; another detector above both, after Holm's correction over all others; questions
completed word for word more often than chance allows; a gain under random rewards unknown        no overlap table; no
probe, or too few prompts for one; a control that is not at chance clean          none of these: compared, probed with
enough prompts, and nothing found
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rlpipe.contamination.probes.completion_rate import Rate
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.statistics.auc import Interval
from rlpipe.statistics.random_reward import Gain

Decision = Literal["clean", "review", "contaminated", "unknown"]
ORDER: tuple[Decision, ...] = ("contaminated", "review", "unknown", "clean")
COMPLETED_SHARE = 0.05  # lower bound of exact completions from which a benchmark is known by heart


@dataclass(frozen=True)
class Copies:
    """Benchmark prompts with a training prompt that is a copy, a near copy, or of the same template."""

    n: int
    drop: int
    review: int = 0
    template: int = 0


@dataclass(frozen=True)
class Finding:
    """One detector on benchmark prompts (`n1`) against never-trained ones (`n0`), under the run and under the control.

    `p` is one-sided, for scores above those of never-trained prompts.
    """

    method: str
    n1: int
    n0: int
    run: Interval
    control: Interval | None
    difference: Interval | None
    p: float = 1.0


@dataclass(frozen=True)
class Evidence:
    """Everything known of a benchmark; None where it was not looked at. `power` is the primary detector's AUC on
    prompts that certainly were trained on: what the probe can see at all."""

    benchmark: str
    copies: Copies | None = None
    primary: Finding | None = None
    others: Sequence[Finding] = ()
    power: Interval | None = None
    completed: Rate | None = None
    completed_control: Rate | None = None
    random_reward: Gain | None = None


@dataclass(frozen=True)
class Verdict:
    benchmark: str
    decision: Decision
    reasons: tuple[str, ...]


Reason = tuple[Decision, str]


def verdict(evidence: Evidence, settings: ContaminationSettings) -> Verdict:
    """The decision and its reasons, gravest first."""
    reasons = [
        *_overlap(evidence.copies, settings),
        *_probe(evidence, settings),
        *_other_detectors(evidence, settings),
        *_completion(evidence),
        *_random_reward(evidence.random_reward),
    ]
    reasons.sort(key=lambda r: ORDER.index(r[0]))
    return Verdict(evidence.benchmark, reasons[0][0], tuple(text for _, text in reasons))


def _overlap(copies: Copies | None, settings: ContaminationSettings) -> list[Reason]:
    if copies is None:
        return [("unknown", "not compared with the training prompts")]
    found: list[Reason] = []
    if copies.drop:
        share = copies.drop / copies.n
        decision: Decision = "contaminated" if share >= settings.contaminated_share else "review"
        found.append((decision, f"{copies.drop} of {copies.n} prompts ({share:.1%}) are among the training prompts"))
    if copies.review:
        found.append(("review", f"{copies.review} of {copies.n} prompts resemble a training prompt"))
    if not found:
        found.append(("clean", f"none of {copies.n} prompts is among the training prompts"))
    if copies.template:
        found.append(
            ("clean", f"{copies.template} of {copies.n} share a template with a training prompt, not its numbers")
        )
    return found


def _probe(evidence: Evidence, settings: ContaminationSettings) -> list[Reason]:
    found = evidence.primary
    if found is None:
        return [("unknown", f"not probed with {settings.primary}")]
    said = f"{found.method}: AUC {_shown(found.run)}, {found.n1} against {found.n0} prompts"
    control = found.control
    if control is not None and not control.lo <= 0.5 <= control.hi:
        return [
            ("unknown", f"{said}; the control before training is not at chance ({_shown(control)}): the prompts differ")
        ]
    few = min(found.n1, found.n0) < settings.exploratory_below
    if found.run.lo <= 0.5:
        reason = f"{said}: not above chance; {_power(evidence.power)}"
        return [
            ("unknown", f"{reason}; fewer than {settings.exploratory_below} per class") if few else ("clean", reason)
        ]
    if few:
        return [("review", f"{said}: above chance, with fewer than {settings.exploratory_below} per class")]
    if found.difference is None:
        return [("review", f"{said}: above chance, without a control before training")]
    above = found.difference.lo > 0
    rise = f"rise over the control {_shown(found.difference)}"
    return [("contaminated" if above else "review", f"{said}: above chance; {rise}")]


def _power(power: Interval | None) -> str:
    if power is None:
        return "what it can see was not measured"
    can = "it does see" if power.lo > 0.5 else "it does not see"
    return f"{can} prompts that were trained on (AUC {_shown(power)})"


def _other_detectors(evidence: Evidence, settings: ContaminationSettings) -> list[Reason]:
    """Holm's step-down over all other detectors, then the rise over the control as a second condition."""
    found: list[Reason] = []
    ranked = sorted(evidence.others, key=lambda f: f.p)
    for i, other in enumerate(ranked):
        if other.p * (len(ranked) - i) > 1 - settings.confidence:
            break
        if other.difference is not None and other.difference.lo > 0:
            rise = f"rise over the control {_shown(other.difference)}"
            found.append(
                ("review", f"{other.method}: AUC {_shown(other.run)}, {rise}, after correction for {len(ranked)}")
            )
    return found


def _completion(evidence: Evidence) -> list[Reason]:
    found, control = evidence.completed, evidence.completed_control
    if found is None:
        return []
    said = f"{found.exact} of {found.n} questions completed word for word [{found.lo:.2f}, {found.hi:.2f}]"
    since = control is not None and found.lo > control.hi
    if found.lo <= COMPLETED_SHARE and not since:
        return [("clean", said)]
    before = "not measured" if control is None else f"{control.exact} of {control.n}"
    return [("review", f"{said}; before training: {before}")]


def _random_reward(gain: Gain | None) -> list[Reason]:
    if gain is None or gain.lo is None or gain.hi is None:
        return []
    said = f"random rewards change it by {gain.value:+.3f} [{gain.lo:+.3f}, {gain.hi:+.3f}]"
    return [("review", f"{said}: a gain that no reward explains") if gain.flagged else ("clean", said)]


def with_random_reward(found: Verdict, gains: Sequence[Gain]) -> Verdict:
    """The verdict once it is known what its benchmark gained under random rewards: graver, or with a reason more."""
    reasons, decision = list(found.reasons), found.decision
    for gain in gains:
        for grade, text in _random_reward(gain):
            graver = ORDER.index(grade) < ORDER.index(decision)
            decision = grade if graver else decision
            reasons.insert(0 if graver else len(reasons), text)
    return Verdict(found.benchmark, decision, tuple(reasons))


def _shown(interval: Interval) -> str:
    return f"{interval.value:.2f} [{interval.lo:.2f}, {interval.hi:.2f}]"


def verdict_rows(verdicts: Sequence[Verdict], model_id: str | None) -> list[dict[str, Any]]:
    """Rows of schema contamination/1, record_type `verdict`; `reason` holds one reason per line, gravest first."""
    return [
        {
            "record_type": "verdict",
            "method": "verdict",
            "method_version": "1",
            "decision": v.decision,
            "eval_set": v.benchmark,
            "model_id": model_id,
            "reason": "\n".join(v.reasons),
        }
        for v in verdicts
    ]
