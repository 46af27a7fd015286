"""What a step reports: metrics that belong to its result, and seconds that do not."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from rlpipe.train.collect import Collected
from rlpipe.train.signals import measured_rows
from rlpipe.types import Batch, Group, Signals, TokenLoss


class Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Learnt:
    """What is logged of one micro-batch: sums over its response tokens, and how far sampler and trainer are apart, nats.

    The gap is of fresh rollouts from the run's own distribution: of others the difference says nothing.
    """

    sums: Mapping[str, float]
    gap: torch.Tensor | None

    @classmethod
    def of(cls, parts: Sequence[TokenLoss], policy: Signals, batch: Batch, temperature: float, step: int) -> Learnt:
        sums: dict[str, float] = defaultdict(float)
        for part in parts:
            for name, value in part.metrics.items():
                sums[name] += float(value.detach()[batch.response_mask].float().sum())
        mask = batch.response_mask & measured_rows(batch, temperature, step)[:, None]
        return cls(dict(sums), (policy.logprob.detach() - batch.sampling_logprob)[mask].abs().cpu())


class Metrics:
    """Sums over a step. Shares of tokens are over all response tokens of the step, forwarded or not."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.sums: dict[str, float] = defaultdict(float)
        self.tokens = 0
        self.gaps: list[torch.Tensor] = []
        self.norms: list[float] = []

    def of_groups(self, collected: Collected, agent: str = "policy") -> None:
        """What the agent's rollouts were, before any selection."""
        groups = [_of_agent(g, agent) for g in collected.sampled]
        groups = [g for g in groups if g.rollouts]
        rollouts = [r for g in groups for r in g.rollouts]
        tokens = sum(r.response_length for r in rollouts)
        self.values |= {
            "reward": _mean([float(x) for g in groups for x in _reward(g)]),
            "pass@1": _mean([float(v.correct) for g in groups for v in g.verdicts]),
            "zero_variance_share": _mean([float(_reward(g).max() == _reward(g).min()) for g in groups]),
            "token_entropy": sum(float(r.entropy[r.response_mask].sum()) for r in rollouts) / max(tokens, 1),
            "answer_entropy": _mean([answer_entropy(g) for g in groups]),
            "response_length": tokens / max(len(rollouts), 1),
            "truncation_rate": _mean([float(r.finish == "length") for r in rollouts]),
            "verifier_error_rate": _mean([float(v.status in ("error", "timeout")) for g in groups for v in g.verdicts]),
            "groups_sampled": float(len(groups)),
            "groups_kept": float(len(collected.kept)),
            "refills": float(collected.refills),
        }
        stretches = [r.num_stretches for r in rollouts]
        if any(n > 1 for n in stretches):
            self.values["turns"] = _mean([float(n) for n in stretches])
        if any(r.parent is not None for r in rollouts):
            self.values["branched_share"] = _mean([float(r.parent is not None) for r in rollouts])
        for name in sorted({name for g in groups for name in g.reward_terms}):
            self.values[f"reward/{name}"] = _mean([float(x) for g in groups for x in g.reward_terms.get(name, ())])

    def of_step(self, diagnostics: Mapping[str, float]) -> None:
        """What the data side has to say of the step as a whole."""
        self.values |= diagnostics

    def of_mini_batch(self, batch: Batch) -> None:
        """What the data side decided: shares of tokens chosen and of tokens whose policy loss was taken out."""
        mask = batch.response_mask
        self.tokens += int(mask.sum())
        self.sums["zero_weight_share"] += float((batch.token_weight[mask] == 0).sum())
        for name, note in batch.annotations.items():
            if note.dtype == torch.bool:
                self.sums[name] += float(note[mask].sum())
        if batch.reference is not None:
            difference = (batch.reference.logprob - batch.old.logprob)[mask].clamp(-20, 20)
            self.sums["kl_reference"] += float((difference.exp() - 1 - difference).sum())

    def of_learnt(self, found: Sequence[Learnt], first: bool) -> None:
        """What micro-batches had to say; `first`: of a step's first mini-batch, where no weight has changed yet."""
        for learnt in found:
            for name, value in learnt.sums.items():
                self.sums[name] += value
            if first and learnt.gap is not None:
                self.gaps.append(learnt.gap)

    def of_update(self, norm: float) -> None:
        self.norms.append(norm)

    def row(self, step: int) -> dict[str, float | int | None]:
        """The row of `metrics.parquet`. The gap is null where no rollout of the first mini-batch carried a gradient."""
        gaps = torch.cat(self.gaps) if any(len(g) for g in self.gaps) else None
        shares = {name: value / max(self.tokens, 1) for name, value in self.sums.items()}
        return {
            "step": step,
            **self.values,
            "clip_fraction": 0.0,
            **shares,
            "grad_norm": _mean(self.norms),
            "logprob_gap_mean": None if gaps is None else float(gaps.mean()),
            "logprob_gap_p999": None if gaps is None else float(gaps.quantile(0.999)),
        }


def answer_entropy(group: Group) -> float:
    """Entropy in nats of the group's canonical answers; abstentions count as one answer."""
    counts = Counter(v.canonical or "NA" for v in group.verdicts)
    total = sum(counts.values())
    return -sum(c / total * math.log(c / total) for c in counts.values()) if total else 0.0


def _of_agent(group: Group, agent: str) -> Group:
    """The group as one agent's rollouts make it up."""
    own = [i for i, r in enumerate(group.rollouts) if r.agent == agent]
    if len(own) == len(group.rollouts):
        return group
    return replace(
        group,
        rollouts=tuple(group.rollouts[i] for i in own),
        verdicts=tuple(group.verdicts[i] for i in own if group.verdicts),
        reward_terms={name: term[own] for name, term in group.reward_terms.items()},
        reward=None if group.reward is None else group.reward[own],
    )


def _reward(group: Group) -> torch.Tensor:
    assert group.reward is not None
    return group.reward


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
