"""Our detectors and benchleak's on the same items: AUC of each, and their rank correlation with ours.

    python -m benchmarks.detectors [--seeds 3] [--steps 120]
    python -m benchmarks.detectors --policy DIR [--control DIR] --members FILE --nonmembers FILE

Without files it plants: a toy policy is warmed up on worked responses, then trained by reinforcement learning (REINFORCE
with a group baseline, verified rewards) on half of 80 held-out problems; its clean twin is trained on others. benchleak
0.4.0 (extra `benchleak`) is asked where it is installed. Its Min-K% and probability variation read the text of the
prompt, ours the policy's own response; its Self-Critique asks in words, or here, as ours, with the marker that the
warm-up taught. AUCs of ours have the direction applied, benchleak's are as it reports them.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from scipy.stats import spearmanr
from torch.nn.utils.rnn import pad_sequence

from rlpipe import artifacts, models
from rlpipe.commands.opener import read_prompts
from rlpipe.contamination.probes.detector_metrics import ScoreTable
from rlpipe.contamination.probes.detectors import DETECTORS, MEMBER, NONMEMBER, score_probes
from rlpipe.contamination.probes.probe import Probed, Subject, probe
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.engine.batched import complete_all
from rlpipe.engine.hf import HFEngine
from rlpipe.params.model_settings import ModelSettings
from rlpipe.policy.forward import Policy
from rlpipe.statistics.auc import wins
from rlpipe.tasks import countdown
from rlpipe.tasks.second_response import second_demonstration
from rlpipe.types import Prompt, Sampling
from rlpipe.verifiers.verify import verify_many

SHAPE = ModelSettings(hidden_size=64, num_layers=3, num_heads=4, num_kv_heads=2, intermediate_size=128, max_length=128)
MARKER, CAP, HALF = "otherwise", 32, 40
BESIDE = {"benchleak Self-Critique": "self_critique", "benchleak Min-K%": "min_k", "benchleak variation": "ppl"}


def problems(n: int, seed: int) -> list[tuple[Prompt, str, str]]:
    """Distinct problems, each with two worked responses."""
    rng, found = random.Random(seed), {}
    while len(found) < n:
        p = countdown.generate(rng, "c3x2")
        worked = (countdown.demonstrate(p, rng), countdown.demonstrate(p, rng))
        message = {"role": "user", "content": p.text}
        found[p.text] = (Prompt(p.text, (message,), p.answer, "rlpipe/countdown", p.level), *worked)
    return list(found.values())


def warmed_up(shown: Sequence[tuple[Prompt, str, str]], tokenizer: Any, seed: int) -> Any:
    """A policy taught worked responses, and what the marker asks for."""
    pairs = [(p.text, first) for p, first, _ in shown]
    pairs += [(second_demonstration(p.text, first, MARKER), other) for p, first, other in shown[::4]]
    rows, marks = [], []
    for question, response in pairs:
        asked = models.encode(tokenizer, [{"role": "user", "content": question}])
        said = [*tokenizer(response, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        rows.append(torch.tensor(asked + said))
        marks.append(torch.tensor([False] * len(asked) + [True] * len(said)))
    tokens, mask = pad_sequence(rows, batch_first=True), pad_sequence(marks, batch_first=True)
    model: Any = models.from_scratch(SHAPE, tokenizer, seed)
    optimizer, policy = torch.optim.Adam(model.parameters(), lr=3e-3), Policy(model)
    rng = torch.Generator().manual_seed(seed)
    for _ in range(500):
        at = torch.randint(len(rows), (64,), generator=rng)
        step(policy, optimizer, tokens[at], mask[at], torch.ones(64))
    return model


def step(policy: Policy, optimizer: Any, tokens: Any, mask: Any, weight: Any) -> None:
    optimizer.zero_grad()
    logprob = policy(tokens, mask).logprob
    (-(weight[:, None] * logprob)[mask].sum() / mask.sum()).backward()
    torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
    optimizer.step()


def reinforced(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], steps: int, seed: int
) -> tuple[Any, float, float]:
    """The policy after `steps` steps of 20 prompts x 8 rollouts; mean reward in the first and the last five."""
    optimizer, rng, rewards = torch.optim.Adam(model.parameters(), lr=5e-4), random.Random(seed), []
    policy = Policy(model)
    for n in range(steps):
        chosen = [p for p in rng.sample(list(prompts), 20) for _ in range(8)]
        engine = HFEngine(model, tokenizer)
        asked = [engine.encode(p.messages) for p in chosen]
        with torch.no_grad():
            rollouts = complete_all(engine, asked, Sampling(CAP), range(160 * n, 160 * (n + 1)))
        right = [v.correct for v in verify_many([(p, r.text) for p, r in zip(chosen, rollouts, strict=True)])]
        reward = torch.tensor(right, dtype=torch.float32).view(20, 8)
        tokens = pad_sequence([r.tokens for r in rollouts], batch_first=True)
        mask = pad_sequence([r.response_mask for r in rollouts], batch_first=True)
        step(policy, optimizer, tokens, mask, (reward - reward.mean(1, keepdim=True)).flatten())
        rewards.append(float(reward.mean()))
    return model, float(np.mean(rewards[:5])), float(np.mean(rewards[-5:]))


def examined(
    subjects: Sequence[Subject], members: Sequence[Prompt], others: Sequence[Prompt], settings: ContaminationSettings
) -> dict[str, dict[str, float]]:
    """Directed scores of the first policy by detector and prompt."""
    probed = [*(Probed(p, MEMBER) for p in members), *(Probed(p, NONMEMBER) for p in others)]
    with torch.inference_mode():
        rows = [row for s in subjects for row in probe(s, probed, settings, verify_many)]
    frame = pl.DataFrame(pl.from_arrow(artifacts.to_table(rows, artifacts.PROBES)))
    table = ScoreTable.of(score_probes(frame))
    return {name: dict(table.scores[subjects[0].model_id, name]) for name in DETECTORS}


def benchleak(
    subject: Subject, prompts: Sequence[Prompt], settings: ContaminationSettings
) -> dict[str, dict[str, float]]:
    """benchleak's scores by detector and prompt; empty where it is not installed."""
    if importlib.util.find_spec("benchleak") is None:
        return {}
    from benchleak.detectors.perturb import WordSwapPerturber
    from benchleak.detectors.pretrain import MinKProbDetector
    from benchleak.detectors.rl import CRITIQUE_TEMPLATE, SelfCritiqueDetector
    from benchleak.detectors.sft import ProbVariationDetector

    model, tokenizer = subject.policy.model, subject.tokenizer
    template = CRITIQUE_TEMPLATE if settings.second_response.kind == "critique" else f"{{response}} {MARKER}"
    made = {
        "benchleak Self-Critique": SelfCritiqueDetector(model, tokenizer, settings.max_new_tokens, template),
        "benchleak Min-K%": MinKProbDetector(model, tokenizer),
        "benchleak variation": ProbVariationDetector(model, tokenizer, WordSwapPerturber()),
    }
    texts = [p.text for p in prompts]
    ids = [p.id for p in prompts]
    return {name: dict(zip(ids, d.score_batch(texts), strict=True)) for name, d in made.items()}


def areas(
    scores: Mapping[str, Mapping[str, float]], members: Sequence[Prompt], others: Sequence[Prompt]
) -> dict[str, float]:
    found = {}
    for name, of in scores.items():
        a, b = ([of[p.id] for p in prompts if p.id in of] for prompts in (members, others))
        found[name] = float(wins(a, b).mean()) if a and b else float("nan")
    return found


def agreement(scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Spearman's correlation of benchleak's scores with our counterpart's, as it is scored (direction not applied)."""
    found = {}
    for name, ours in BESIDE.items():
        both = sorted(scores.get(name, {}).keys() & scores[ours].keys())
        if both:
            own = [DETECTORS[ours].direction * scores[ours][p] for p in both]
            found[name] = float(spearmanr([scores[name][p] for p in both], own).statistic)
    return found


def planted(seed: int, steps: int) -> list[tuple[str, dict[str, float], dict[str, float]]]:
    """AUC and agreement under the planted policy and under its clean twin."""
    settings = ContaminationSettings(second_response={"kind": "marker"}, noise="words", max_new_tokens=CAP, seed=seed)
    made = problems(600 + 3 * HALF, seed)
    tokenizer = models.word_tokenizer([*countdown.words(), MARKER], SHAPE.max_length)
    groups = [[p for p, _, _ in made[600 + i * HALF : 600 + (i + 1) * HALF]] for i in range(3)]
    members, others, neither = groups
    found = []
    control = warmed_up(made[:600], tokenizer, seed)
    for name, taught in (("planted", members), ("twin", neither)):
        model: Any = models.from_scratch(SHAPE, tokenizer, seed)
        model.load_state_dict(control.state_dict())
        model, before, after = reinforced(model, tokenizer, taught, steps, seed)
        print(
            f"seed {seed} {name}: reward {before:.2f} to {after:.2f}, each prompt met about {steps * 20 // HALF} times"
        )
        subjects = [Subject(n, HFEngine(m, tokenizer), Policy(m), tokenizer, SHAPE.max_length, control=n == "control")
                    for n, m in (("policy", model), ("control", control))]  # fmt: skip
        scores = examined(subjects, members, others, settings) | benchleak(subjects[0], [*members, *others], settings)
        found.append((name, areas(scores, members, others), agreement(scores)))
    return found


def given(args: argparse.Namespace) -> list[tuple[str, dict[str, float], dict[str, float]]]:
    settings = ContaminationSettings(max_new_tokens=args.max_new_tokens)
    members, others = (read_prompts(path, None)[0] for path in (args.members, args.nonmembers))
    subjects = [Subject.load(args.policy, "policy", 64)]
    if args.control:
        subjects.append(Subject.load(args.control, "control", 64, control=True))
    scores = examined(subjects, members, others, settings)
    with torch.inference_mode():
        scores |= benchleak(subjects[0], [*members, *others], settings)
    return [("policy", areas(scores, members, others), agreement(scores))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path)
    parser.add_argument("--control", type=Path)
    parser.add_argument("--members", type=Path)
    parser.add_argument("--nonmembers", type=Path)
    parser.add_argument("--max-new-tokens", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=120)
    args = parser.parse_args()
    if args.policy and not (args.members and args.nonmembers):
        parser.error("--policy needs --members FILE and --nonmembers FILE")
    torch.set_num_threads(1)
    rows = given(args) if args.policy else [r for seed in range(args.seeds) for r in planted(seed, args.steps)]
    kinds = list(dict.fromkeys(kind for kind, _, _ in rows))
    print(f"{'detector':26}" + "".join(f"{'AUC ' + kind:>28}" for kind in kinds) + f"{'Spearman with ours':>22}")
    for name in rows[0][1]:
        title = DETECTORS[name].title if name in DETECTORS else name
        cells = [f"{_spread([a[name] for k, a, _ in rows if k == kind]):>28}" for kind in kinds]
        agreed = [r[name] for _, _, r in rows if name in r]
        print(f"{title:26}" + "".join(cells) + (f"{np.mean(agreed):>22.2f}" if agreed else ""))


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
