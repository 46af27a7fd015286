"""Artifacts of a finished pipeline, drawn at random: the right schemas and numbers of a believable size, and no training.

A problem has a dozen possible responses, some of them correct. The warm-up policy draws them with uneven probabilities;
a trained one has these sharpened (`collapse`) and tilted towards the correct ones (`gain`), which raises pass@1 and lowers
pass@k as training does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from rlpipe import artifacts
from rlpipe.contamination.probes.detector_metrics import ScoreTable, metric_rows
from rlpipe.contamination.probes.detectors import score_probes
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.evaluate.settings import EvaluateSettings
from rlpipe.evaluate.summaries import write_metrics
from tests.report.synthetic_rows import (
    ID,
    WORDS,
    Size,
    overlap_rows,
    probe_rows,
    problems,
    progress,
    rollout_rows,
    step_rows,
)

METHODS = {"grpo": ["grpo"], "grpo_low_lr": ["grpo"], "clip_cov": ["grpo", {"clip_cov": {"fraction": 0.005}}]}


def timings(root: Path, size: Size) -> None:
    seconds = np.random.default_rng(1).gamma(9, 0.03, (size.steps, 2))
    rows = [{"step": i, "seconds_sample": float(a), "seconds_update": float(b)} for i, (a, b) in enumerate(seconds)]
    artifacts.write(root / "timings.parquet", artifacts.TIMINGS, rows)


def stamp(root: Path, artifact: str, params: dict[str, Any], seconds: float) -> None:
    """What the stage runner leaves beside the tables."""
    key = blake2b(artifact.encode(), digest_size=32).hexdigest()
    spec = {"artifact": artifact, "stage": artifact.split("/")[0], "params": params, "code": {}, "inputs": {}}
    receipt = {"key": key, "action": key[::-1], "spec": spec, "files": {}}
    versions = {"python": "3.11.2", "torch": "2.13.0", "transformers": "5.23.0", "rlpipe": "0.1.0", "vllm": None}
    machine = {"system": "Linux", "architecture": "x86_64", "processor": "some processor", "cores": 2, "avx2": True}
    environment = {
        "command": f"python -m rlpipe.pipeline.stage results/{artifact}.done",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "machine": machine | {"memory_bytes": 16 * 2**30, "devices": []},
        "peak_memory_bytes": 571_000_000,
        "resumed": False,
        "threads": 1,
        "versions": versions,
        "wall_seconds": seconds,
    }
    artifacts.write_json(root / "receipt.json", receipt)
    artifacts.write_json(root / "environment.json", environment)


def tokenizer(root: Path) -> None:
    """A policy's folder as the report reads it: tokenizer and the header of its weights."""
    root.mkdir(parents=True, exist_ok=True)
    special = [{"id": i, "content": w, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False} for i, w in enumerate(WORDS[:5])]  # fmt: skip
    model = {"type": "WordLevel", "vocab": ID, "unk_token": "<unk>"}
    core = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
            "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None, "model": model}  # fmt: skip
    (root / "tokenizer.json").write_text(json.dumps(core))
    header = {"embed": {"dtype": "F32", "shape": [346, 1000], "data_offsets": [0, 0]}, "__metadata__": {"format": "pt"}}
    text = json.dumps(header).encode()
    (root / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    (root / "config.json").write_text(json.dumps({"model_type": "qwen3", "hidden_size": 96, "num_hidden_layers": 3}))


def params(size: Size) -> dict[str, Any]:
    runs = {run: {"seeds": list(size.seeds), "methods": METHODS[run]} for run in size.runs}
    if "grpo_low_lr" in runs:
        runs["grpo_low_lr"]["train"] = {"learning_rate": 3e-4}
    train = {
        "steps": size.steps,
        "prompts": 32,
        "rollouts": 16,
        "max_new_tokens": 28,
        "learning_rate": 5e-4,
        "temperature": 1.0,
    }
    report = {"baseline": "grpo", "control": "grpo_low_lr", "sample_rollouts": 320}
    return {
        "train": train,
        "runs": runs,
        "report": report,
        "evaluate": size.statistics | {"samples": size.samples},
    } | size.params


def curate(root: Path, size: Size) -> None:
    import polars as pl

    root.mkdir(parents=True)
    rows = []
    for split, seed in (("demonstration", 5), ("train", 1), ("probe", 6), ("test", 2)):
        for item in problems(size, seed):
            text = [{"role": "user", "content": item.text}]
            rows.append(
                {
                    "prompt_id": item.prompt_id, "norm_hash": item.prompt_id[:16], "data_source": item.source, "prompt": text,
                    "reward_model": {"style": "rule", "ground_truth": item.answer}, "split": split, "difficulty": item.level,
                    "extra_info": {"split": split, "index": "0"}, "metadata_json": "{}",
                }
            )  # fmt: skip
    artifacts.write(root / "prompts.parquet", artifacts.PROMPTS, pl.DataFrame(rows).to_arrow())
    rejected = [{"stage": "deduplicate", "reason": "exact duplicate", "data_source": "rlpipe/countdown", "row": "7"}]
    artifacts.write(root / "rejected.parquet", artifacts.REJECTED, rejected)
    stamp(root, "curate", {}, 6.0)


def sft(root: Path, size: Size) -> None:
    tokenizer(root / "policy")
    rows = [{"step": s, "loss": 2.5 * np.exp(-s / 8) + 0.3, "learning_rate": 5e-3, "tokens": 1000} for s in range(30)]
    artifacts.write(root / "metrics.parquet", artifacts.SFT_STEPS, rows)
    stamp(root, "sft", {}, 96.0)


def evaluation(root: Path, size: Size, name: str, run_id: str, collapse: float, gain: float, heat: float) -> None:
    root.mkdir(parents=True)
    rng = np.random.default_rng([size.seed, *name.encode()])
    rows = rollout_rows(rng, problems(size, 2), size.samples, run_id, size.steps, collapse, gain, heat)
    artifacts.write(root / "samples.parquet", artifacts.ROLLOUTS, rows)
    write_metrics(root, EvaluateSettings.model_validate(params(size)["evaluate"]))
    stamp(root, name, {"evaluate": params(size)["evaluate"]}, 4.0)


def training(root: Path, size: Size, run: str, seed: int) -> None:
    tokenizer(root / "policy")
    rng = np.random.default_rng([size.seed, seed, *run.encode()])
    items = problems(size, 1)
    artifacts.write(root / "metrics.parquet", artifacts.STEPS, step_rows(rng, size, run, seed, items))
    rows: list[dict[str, Any]] = []
    for step in range(size.steps):
        chosen = [items[i] for i in rng.choice(len(items), 3, replace=False)]
        rows += rollout_rows(rng, chosen, 4, f"{run}/seed-{seed}", step, *progress(run, seed, step / size.steps))
    artifacts.write(root / "rollouts.parquet", artifacts.ROLLOUTS, rows)
    timings(root, size)
    settings = params(size)
    used = {"train": settings["train"], "runs": {run: settings["runs"][run]}}
    stamp(root, f"train/{run}/seed-{seed}", used, 105.0 + 10 * seed)
    note(root, {**settings["train"], **settings["runs"][run].get("train", {})}, METHODS[run])


def note(root: Path, train: dict[str, Any], methods: Sequence[Any]) -> None:
    """What the training stage adds to its receipt: everything resolved."""
    named = [{m: {"reduction": "token"}} if isinstance(m, str) else m for m in methods]
    changes = ["clip_cov wraps grpo's policy_loss"] if len(named) > 1 else []
    receipt = json.loads((root / "receipt.json").read_text())
    receipt["notes"] = {"train": train, "phases": [{"until": None, "methods": named, "changes": changes}]}
    artifacts.write_json(root / "receipt.json", receipt)


def contamination(root: Path, size: Size, run: str, seed: int) -> None:
    import polars as pl

    root.mkdir(parents=True)
    rng, model = np.random.default_rng([size.seed, seed, 7, *run.encode()]), f"{run}/seed-{seed}"
    rows = probe_rows(rng, size, "sft", 0.0) + probe_rows(rng, size, model, 0.15)
    artifacts.write(root / "probes.parquet", artifacts.PROBES, rows)
    artifacts.write(root / "overlap.parquet", artifacts.CONTAMINATION, overlap_rows(run))
    table = ScoreTable.of(score_probes(pl.read_parquet(root / "probes.parquet")))
    metrics = metric_rows(table, model, model, "sft", ContaminationSettings(bootstrap_draws=100))
    shared = {"run_id": model, "model_id": model, "n_problems": 24, "n_samples": 1}
    watch = {"metric": "drift:format", "benchmark": "frozen", "ci_method": "hc_rlhf_one_sided"}
    looks = [
        (10, 0.0, -0.03, 0.03, "stable"),
        (20, 0.03, -0.02, 0.08, "not shown stable"),
        (30, 0.01, -0.02, 0.04, "stable"),
    ]
    drift = [
        watch
        | {"policy_step": step, "value": rise, "ci_lo": lo, "ci_hi": hi}
        | {"info_json": json.dumps({"state": state, "tolerance": 0.05})}
        for step, rise, lo, hi, state in looks
    ]
    met = {"metric": "exposure", "benchmark": "all", "ci_method": "none", "value": 3.5}
    artifacts.write(
        root / "metrics.parquet", artifacts.EVAL, [*metrics, *(shared | look for look in drift), shared | met]
    )
    stamp(root, f"contamination/{run}/seed-{seed}", {"contamination": {"primary": "self_critique"}}, 9.0)


def pipeline(root: Path, size: Size | None = None) -> dict[str, Path]:
    """All artifacts under `root`, by name: what the report stage gets as inputs."""
    size = size or Size()
    inputs = {"curate": root / "curate", "sft": root / "sft", "evaluate/sft": root / "evaluate/sft"}
    curate(inputs["curate"], size)
    sft(inputs["sft"], size)
    evaluation(inputs["evaluate/sft"], size, "evaluate/sft", "sft", 1.0, 0.0, 0.34)
    for run in size.runs:
        for seed in size.seeds:
            tail = f"{run}/seed-{seed}"
            inputs |= {f"{stage}/{tail}": root / stage / tail for stage in ("train", "evaluate")}
            training(inputs[f"train/{tail}"], size, run, seed)
            evaluation(inputs[f"evaluate/{tail}"], size, f"evaluate/{tail}", tail, *progress(run, seed, 1.0))
            if size.contamination:
                inputs[f"contamination/{tail}"] = root / "contamination" / tail
                contamination(inputs[f"contamination/{tail}"], size, run, seed)
    return inputs
