"""Seconds per training step by phase, tokens per second and peak memory, beside TRL's GRPOTrainer on the same work.

    python benchmarks/step.py [--threads 1] [--steps 8] [--repeats 3]

Both sides train the default model on the same prompts with the same number of rollouts, updates and response tokens (every
response has exactly `--tokens` tokens, so neither gains from shorter text). They take turns in one process; medians and
ratios are printed. TRL comes with `pip install 'rlpipe[oracle]'`; without it only our side is measured.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from rlpipe import models
from rlpipe.engine.batched import complete_all
from rlpipe.engine.hf import HFEngine
from rlpipe.params.model_settings import ModelSettings
from rlpipe.policy.forward import Policy
from rlpipe.recipe import Recipe, load
from rlpipe.rewards import judge as judge_module
from rlpipe.train import step as step_module
from rlpipe.train.agent import POLICY, Agent, Trainer
from rlpipe.train.optimizer import make_optimizer
from rlpipe.train.settings import TrainSettings
from rlpipe.train.step import train_step
from rlpipe.types import Plan, Prompt, Sampling, Step, Verdict, draw_seed
from rlpipe.verifiers.error_rate import ErrorRate

WORDS = [*map(str, range(10)), *"+-*=;", "make", "from", "mod5", "and", "eval", "answer"]


def prompts(count: int, seed: int = 0) -> list[Prompt]:
    rng = random.Random(seed)
    texts = [" ".join(rng.choice(WORDS) for _ in range(rng.randint(6, 12))) for _ in range(count)]
    return [Prompt(f"p{i}", ({"role": "user", "content": t},), "", "benchmark") for i, t in enumerate(texts)]


def reward(name: str, sample: int, constant_share: float) -> float:
    """A coin flip for each rollout, the same for all rollouts of a share of the prompts."""
    constant = draw_seed(name) % 1000 < 1000 * constant_share
    return float(draw_seed(name, 0 if constant else sample) % 2)


class Ours:
    """Our step on a fresh copy of the model; `skip` leaves out rollouts that carry no gradient."""

    def __init__(self, args: argparse.Namespace, policy: Path, pool: Sequence[Prompt], skip: bool):
        model, tokenizer = models.load_policy(policy)
        self.args, self.pool, self.skip = args, pool, skip
        self.settings = TrainSettings(
            prompts=args.prompts,
            rollouts=args.rollouts,
            mini_batches=args.updates,
            max_new_tokens=args.tokens,
            micro_batch_tokens=2048,
        )
        engine = HFEngine(model, tokenizer)
        engine.tokenizer = NeverEnds(tokenizer)
        self.agent = Agent(Policy(model.train()), engine, make_optimizer(model, self.settings), model)
        self.trainer = Trainer({POLICY: self.agent}, self.settings, ErrorRate())
        self.recipe: Recipe = load([{"grpo": {"reduction": "token"}}])
        self.index = 0
        self.phases: dict[str, list[float]] = {}

    def step(self) -> None:
        step_module.carrying = carrying if self.skip else lambda batch, recipe: batch
        rng = torch.Generator().manual_seed(self.index)
        plan = Plan(self.args.rollouts, Sampling(self.args.tokens), 0)
        step = Step(self.index, 10**6, rng, plan, self.settings.mini_batches)
        taken = train_step(self.pool, self.trainer, self.recipe, step)
        for phase, seconds in taken.clock.seconds.items():
            self.phases.setdefault(phase, []).append(seconds)
        self.index += 1
        self.agent.engine.load_policy(self.agent.sampled, self.index)


carrying = step_module.carrying


class NeverEnds:
    """The tokenizer, with an end token that no model writes."""

    eos_token_id = -1

    def __init__(self, tokenizer: Any):
        self.inner = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)


def trl_block(args: argparse.Namespace, policy: Path, pool: Sequence[Prompt], steps: int) -> list[float]:
    """Seconds of each of TRL's rounds: one generation and `updates` optimizer steps. The first is warm-up."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    model, tokenizer = models.load_policy(policy)
    tokenizer.padding_side = "left"
    stamps: list[float] = []

    class Stamp(TrainerCallback):
        def on_step_end(self, targs: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % args.updates == 0:
                stamps.append(time.perf_counter())

    def score(completions: list[Any], name: list[str], **_: Any) -> list[float]:
        seen: dict[str, int] = {}
        out = []
        for n in name:
            seen[n] = seen.get(n, -1) + 1
            out.append(reward(n, seen[n], args.constant_share))
        return out

    with tempfile.TemporaryDirectory() as directory:
        config = GRPOConfig(
            output_dir=directory,
            per_device_train_batch_size=args.prompts * args.rollouts // args.updates,
            steps_per_generation=args.updates,
            num_generations=args.rollouts,
            max_completion_length=args.tokens,
            generation_kwargs={"min_new_tokens": args.tokens},
            max_steps=(steps + 1) * args.updates,
            learning_rate=5e-4,
            beta=0.0,
            loss_type="dapo",
            bf16=False,
            use_cpu=not torch.cuda.is_available(),
            report_to=[],
            logging_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
            gradient_checkpointing=False,
        )
        rows = Dataset.from_list([{"prompt": list(p.messages), "name": p.id} for p in pool])
        trainer = GRPOTrainer(
            model, [score], args=config, train_dataset=rows, processing_class=tokenizer, callbacks=[Stamp()]
        )
        trainer.train()
    return [b - a for a, b in pairwise(stamps)]


def timed(f: Callable[[], None], count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        f()
        seconds.append(time.perf_counter() - start)
    return seconds


def sampling_rates(policy: Path, pool: Sequence[Prompt], args: argparse.Namespace) -> dict[str, float]:
    """Useful tokens per second with the real end token, so that responses have different lengths: medians."""
    model, tokenizer = models.load_policy(policy)
    engine = HFEngine(model.eval(), tokenizer)
    prefixes = [engine.encode(p.messages) for p in pool for _ in range(args.rollouts)]
    longest = max(map(len, prefixes))
    padded = torch.tensor([[tokenizer.pad_token_id] * (longest - len(p)) + p for p in prefixes])
    mask = (padded != tokenizer.pad_token_id).long()
    limit = 2 * args.tokens
    rates: dict[str, list[float]] = {"rlpipe": [], "generate": []}
    for repeat in range(args.repeats + 1):
        start = time.perf_counter()
        seeds = [draw_seed(repeat, i) for i in range(len(prefixes))]
        rollouts = complete_all(engine, prefixes, Sampling(limit), seeds)
        rates["rlpipe"].append(sum(r.response_length for r in rollouts) / (time.perf_counter() - start))
        start = time.perf_counter()
        with torch.no_grad():
            out = model.generate(padded, attention_mask=mask, do_sample=True, max_new_tokens=limit)
        seconds = time.perf_counter() - start
        new = out[:, longest:]
        ended = (new == tokenizer.eos_token_id).cumsum(-1)
        rates["generate"].append(float(((ended - (new == tokenizer.eos_token_id).long()) == 0).sum()) / seconds)
    return {name: statistics.median(values[1:]) for name, values in rates.items()}


def fresh_policy(directory: Path) -> Path:
    """The default shape with weights that end a response after about 14 tokens."""
    tokenizer = models.word_tokenizer(WORDS, 256)
    model: Any = models.from_scratch(ModelSettings(), tokenizer, 0)
    models.save_policy(model, tokenizer, directory / "policy")
    return directory / "policy"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {"threads": 1, "steps": 6, "repeats": 3, "prompts": 32, "rollouts": 16, "tokens": 28, "updates": 4}
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument(
        "--constant-share", type=float, default=0.4, help="share of prompts whose rewards are all equal"
    )
    parser.add_argument("--policy", type=Path, help="a trained policy, for real response lengths when sampling")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    console = Console()
    with tempfile.TemporaryDirectory() as directory:
        policy = args.policy or fresh_policy(Path(directory))
        compare(args, policy, prompts(args.prompts), console)


def compare(args: argparse.Namespace, policy: Path, pool: Sequence[Prompt], console: Console) -> None:
    def judge(pairs: Sequence[tuple[Prompt, str]]) -> list[Verdict]:
        return [Verdict(reward(p.id, i % args.rollouts, args.constant_share), "ok") for i, (p, _) in enumerate(pairs)]

    judge_module.verify_many = judge  # type: ignore[assignment]
    full, skipping = Ours(args, policy, pool, skip=False), Ours(args, policy, pool, skip=True)
    seconds: dict[str, list[float]] = {"rlpipe": [], "rlpipe, skipping": [], "TRL": []}
    full.step()
    skipping.step()
    have_trl = True
    for _ in range(args.repeats):
        seconds["rlpipe"] += timed(full.step, args.steps)
        seconds["rlpipe, skipping"] += timed(skipping.step, args.steps)
        if have_trl:
            try:
                seconds["TRL"] += trl_block(args, policy, pool, args.steps)
            except ImportError as error:
                have_trl = False
                console.print(f"TRL is not installed ({error}); `pip install 'rlpipe[oracle]'` measures it too")
    show(args, policy, pool, seconds, full, skipping, console)


def show(
    args: argparse.Namespace,
    policy: Path,
    pool: Sequence[Prompt],
    seconds: dict[str, list[float]],
    full: Ours,
    skipping: Ours,
    console: Console,
) -> None:
    model = models.load_policy(policy)[0]
    console.print(
        f"{models.num_parameters(model):,} parameters, {args.prompts} prompts x {args.rollouts} rollouts x "
        f"{args.tokens} tokens, "
        f"{args.updates} updates per step, {args.threads} of {os.cpu_count()} threads, torch {torch.__version__}"
    )
    table = Table("step", "median s", "ratio to TRL", "spread s")
    trl = statistics.median(seconds["TRL"]) if seconds["TRL"] else None
    for name, values in seconds.items():
        if values:
            middle = statistics.median(values)
            ratio = f"{trl / middle:.2f}" if trl else "-"
            table.add_row(name, f"{middle:.3f}", ratio, f"{min(values):.3f} to {max(values):.3f}")
    console.print(table)
    tokens = args.prompts * args.rollouts * args.tokens
    table = Table("phase", "rlpipe, s", "rlpipe, skipping, s", "response tokens/s")
    for phase in full.phases:
        a, b = statistics.median(full.phases[phase]), statistics.median(skipping.phases[phase])
        rate = f"{tokens / a:,.0f}" if phase in ("sample", "update") else "-"
        table.add_row(phase, f"{a:.4f}", f"{b:.4f}", rate)
    console.print(table)
    rates = sampling_rates(policy, pool, args)
    console.print(
        f"sampling, responses of their own length: rlpipe {rates['rlpipe']:,.0f} tokens/s, generate {rates['generate']:,.0f}, "
        f"ratio {rates['rlpipe'] / rates['generate']:.2f}"
    )
    console.print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:,.0f} MiB (both sides)")


if __name__ == "__main__":
    main()
