"""What a step reports: metrics that belong to its result, and seconds that do not."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from rlpipe.train.collect import Collected
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


class Metrics:
    """Sums over a step. Shares of tokens are over all response tokens of the step, forwarded or not."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.sums: dict[str, float] = defaultdict(float)
        self.tokens = 0
        self.gaps: list[torch.Tensor] = []
        self.norms: list[float] = []

    def of_groups(self, collected: Collected) -> None:
        """What was sampled, before any filter."""
        groups = collected.sampled
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

    def of_losses(self, parts: Sequence[TokenLoss], batch: Batch) -> None:
        for part in parts:
            for name, value in part.metrics.items():
                self.sums[name] += float(value.detach()[batch.response_mask].float().sum())

    def of_gap(self, policy: Signals, batch: Batch) -> None:
        """Sampler against trainer on the first mini-batch, where no weight has changed yet, in nats."""
        mask = batch.response_mask
        self.gaps.append((policy.logprob.detach() - batch.sampling_logprob)[mask].abs().cpu())

    def of_update(self, norm: float) -> None:
        self.norms.append(norm)

    def row(self, step: int) -> dict[str, float | int | None]:
        """The row of `metrics.parquet`. The gap is null where no rollout of the first mini-batch carried a gradient."""
        gaps = torch.cat(self.gaps) if self.gaps else None
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


def _reward(group: Group) -> torch.Tensor:
    assert group.reward is not None
    return group.reward


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
