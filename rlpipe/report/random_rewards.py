"""The random-reward control as the report has it: what each benchmark gains in runs whose rewards are coin flips."""

from __future__ import annotations

from rlpipe.report.inputs import WARM_UP
from rlpipe.report.measures import Measured
from rlpipe.statistics.paired import paired
from rlpipe.statistics.random_reward import Gain

METHOD = "random_reward"


def gains(measured: Measured) -> dict[str, list[Gain]]:
    """pass@1 over the warm-up by source, of every run that is rewarded at random; a run is the mean of its seeds."""
    if WARM_UP not in measured.policies:
        return {}
    s, sources = measured.settings, sorted(set(measured.prompts["source"]))
    found: dict[str, list[Gain]] = {}
    for run in measured.runs:
        if METHOD not in measured.data.methods(run):
            continue
        before, after = (measured.values(policy, "pass@1") for policy in (WARM_UP, run))
        found[run] = []
        for source in sources:
            inside = (measured.prompts["source"] == source).to_numpy()
            a, b = before[inside], after[inside]
            p = paired(a, b, s.interval, s.confidence, s.bootstrap_draws, s.flip_draws, s.seed, True)[0]
            found[run].append(Gain(source, p.value, p.low, p.high, len(a), p.p, s.confidence))
    return found
