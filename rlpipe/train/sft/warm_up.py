"""The warm-up: supervised learning on demonstrations, from scratch or from a pretrained path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from rlpipe import artifacts, models
from rlpipe.params.model_settings import MAX_LENGTH, ModelSettings
from rlpipe.policy.forward import Policy
from rlpipe.policy.precision import with_master_weights
from rlpipe.progress import progress
from rlpipe.tasks.second_response import second_demonstrations
from rlpipe.train import checkpoint
from rlpipe.train.determinism import deterministic
from rlpipe.train.sft.muon import Muon
from rlpipe.train.sft.settings import SftSettings

Example = tuple[list[int], int]  # token ids, and how many of them are the prompt's
NO_LIMIT = 2**31
BUCKET = 50  # batches whose demonstrations are sorted by length together


def warm_up(model_settings: ModelSettings, settings: SftSettings, curated: Path, out: Path, scratch: Path) -> None:
    """Learn the demonstrations in `curated`; write `policy/` and `metrics.parquet` under `out`.

    Raises: ModelError for a model that cannot be used; ValueError if there is nothing to learn from.
    """
    deterministic(settings.threads)
    demonstrations = artifacts.read(curated / "demonstrations.parquet", artifacts.DEMONSTRATIONS)
    if demonstrations.is_empty() and settings.steps:
        raise ValueError(
            f"{curated}/demonstrations.parquet is empty: give a source demonstrations (curate.sources), or set sft.steps to 0"
        )
    if settings.second_share:
        rows = demonstrations.to_dicts()
        turned = second_demonstrations(rows, settings.second_marker, settings.second_share, settings.seed)
        demonstrations = pl.DataFrame(turned, schema=demonstrations.schema)
    model, tokenizer = starting_point(model_settings, curated, demonstrations, settings.seed)
    examples = encode(demonstrations, tokenizer, models.longest(model.config) or NO_LIMIT)
    steps = fit(model, examples, tokenizer.pad_token_id or 0, settings, scratch)
    models.save_policy(model, tokenizer, out / "policy")
    artifacts.write(out / "metrics.parquet", artifacts.SFT_STEPS, steps)


def starting_point(
    settings: ModelSettings, curated: Path, demonstrations: pl.DataFrame, seed: int
) -> tuple[nn.Module, Any]:
    """A pretrained policy, or a fresh one whose vocabulary is every word of the prompts and demonstrations."""
    if settings.path is not None:
        model, tokenizer = models.load_policy(settings.path, "float32")
        if settings.max_length is not None:
            setattr(model.config, models.LIMIT, settings.max_length)
        return with_master_weights(model, settings.dtype), tokenizer
    prompts = artifacts.read(curated / "prompts.parquet", artifacts.PROMPTS, ["prompt"])
    texts = [m["content"] for row in (*prompts["prompt"], *demonstrations["prompt"]) for m in row]
    words = {w for text in (*texts, *demonstrations["response"]) for w in text.split()}
    tokenizer = models.word_tokenizer(words, settings.max_length or MAX_LENGTH)
    return with_master_weights(models.from_scratch(settings, tokenizer, seed), settings.dtype), tokenizer


def encode(demonstrations: pl.DataFrame, tokenizer: Any, max_length: int) -> list[Example]:
    """Prompt, response and end token of each demonstration.

    Raises: ValueError naming the first demonstration longer than the model.
    """
    if demonstrations.is_empty():
        return []
    rows = demonstrations.to_dicts()
    keys = [json.dumps(row["prompt"]) for row in rows]  # many demonstrations share a prompt
    prompts = {key: models.encode(tokenizer, json.loads(key)) for key in dict.fromkeys(keys)}
    responses = tokenizer([row["response"] for row in rows], add_special_tokens=False)["input_ids"]
    examples: list[Example] = []
    for row, key, response in zip(rows, keys, responses, strict=True):
        prompt = prompts[key]
        ids = [*prompt, *response, tokenizer.eos_token_id]
        if len(ids) > max_length:
            raise ValueError(
                f"demonstration of prompt {row['prompt_id']} has {len(ids)} tokens, more than the model takes "
                f"({max_length}); see curate.too_long, or raise model.max_length"
            )
        examples.append((ids, len(prompt)))
    return examples


def fit(
    model: nn.Module, examples: Sequence[Example], pad: int, settings: SftSettings, scratch: Path
) -> list[dict[str, Any]]:
    """Run all steps; resumes from the checkpoint in `scratch`. Returns the rows of `metrics.parquet`."""
    optimizers = make_optimizers(model, settings)
    state = checkpoint.load(scratch / "checkpoint.pt")
    start, rows = 0, []
    if state is not None:
        start, rows = state["step"], json.loads(state["rows"])
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        print(f"resuming at step {start}", flush=True)
    policy = Policy(model)
    with progress(settings.steps, "sft", done=start) as reporter:
        for step, batch in batches(examples, settings.batch, settings.steps, settings.seed):
            if step < start:
                continue
            row = learn(policy, [examples[i] for i in batch], pad, optimizers, settings, step)
            rows.append(row)
            reporter.advance(1, loss=row["loss"])
            if (step + 1) % settings.checkpoint_every == 0:
                saved = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers]}
                checkpoint.save(scratch / "checkpoint.pt", {"step": step + 1, "rows": json.dumps(rows), **saved})
    return rows


def learn(
    policy: Policy,
    examples: Sequence[Example],
    pad: int,
    optimizers: Sequence[torch.optim.Optimizer],
    settings: SftSettings,
    step: int,
) -> dict[str, Any]:
    """One update on the mean cross-entropy of the response tokens, in nats."""
    tokens, mask = tensors(examples, pad, policy.device)
    loss = -policy(tokens, mask).logprob.sum() / mask.sum()
    for optimizer in optimizers:
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * schedule(step, settings)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(policy.model.parameters(), settings.clip_grad_norm)
    for optimizer in optimizers:
        optimizer.step()
    rate = settings.learning_rate * schedule(step, settings)
    return {"step": step, "loss": loss.item(), "learning_rate": rate, "tokens": int(mask.sum())}


def schedule(step: int, settings: SftSettings) -> float:
    """Share of the peak learning rate: rising, flat, falling to 0."""
    rising = (step + 1) / max(settings.warmup * settings.steps, 1)
    falling = (settings.steps - step) / max(settings.decay * settings.steps, 1)
    return min(1.0, rising, falling)


def make_optimizers(model: nn.Module, settings: SftSettings) -> list[torch.optim.Optimizer]:
    """Muon on the matrices inside the blocks and AdamW on the rest, or AdamW on all."""
    inner = [p for n, p in model.named_parameters() if p.dim() == 2 and ".layers." in n]
    muon_takes = {id(p) for p in inner} if settings.optimizer == "muon" else set()
    rest = [p for p in model.parameters() if id(p) not in muon_takes]
    decay = settings.weight_decay
    adamw = torch.optim.AdamW(rest, lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=decay)
    adamw.param_groups[0]["peak"] = settings.learning_rate
    optimizers: list[torch.optim.Optimizer] = [adamw]
    if muon_takes:
        muon = Muon(inner, lr=settings.muon_learning_rate, momentum=0.95, weight_decay=decay)
        muon.param_groups[0]["peak"] = settings.muon_learning_rate
        optimizers.append(muon)
    return optimizers


def batches(examples: Sequence[Example], size: int, steps: int, seed: int) -> Iterator[tuple[int, list[int]]]:
    """Numbered batches of similar lengths, in shuffled epochs; a function of the seed alone."""
    generator = torch.Generator().manual_seed(seed)
    step = 0
    while step < steps:
        order = torch.randperm(len(examples), generator=generator).tolist()
        span = size * BUCKET
        epoch: list[list[int]] = []
        for start in range(0, len(order), span):
            bucket = sorted(order[start : start + span], key=lambda i: len(examples[i][0]))
            epoch += [bucket[i : i + size] for i in range(0, len(bucket), size)]
        for i in torch.randperm(len(epoch), generator=generator).tolist()[: steps - step]:
            yield step, epoch[i]
            step += 1


def tensors(examples: Sequence[Example], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Tokens `[B, T]` padded on the right, and which of them are the response's."""
    tokens = pad_sequence([torch.tensor(ids) for ids, _ in examples], batch_first=True, padding_value=pad)
    position = torch.arange(tokens.shape[1])
    first = torch.tensor([n for _, n in examples])[:, None]
    last = torch.tensor([len(ids) for ids, _ in examples])[:, None]
    return tokens.to(device), ((position >= first) & (position < last)).to(device)
