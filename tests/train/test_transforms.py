"""A recipe may change how weights are made: training moves the new parameters, what is saved is a plain model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils import parametrize

from rlpipe import models
from rlpipe.engine.batched import complete_all
from rlpipe.engine.hf import HFEngine
from rlpipe.phases import Phase
from rlpipe.recipe import load
from rlpipe.train import run as run_module
from rlpipe.train.run import Job, train
from rlpipe.train.settings import PhaseSettings, TrainSettings
from rlpipe.types import Prompt, Sampling
from tests.toy import tiny_policy

POOL = [Prompt(f"p{i}", ({"role": "user", "content": f"w{i}"},), f"w{i}", "toy") for i in range(5)]
SETTINGS = TrainSettings(steps=3, prompts=3, rollouts=4, mini_batches=1, max_new_tokens=4, checkpoint_every=2)


class Scaled(nn.Module):
    """`gain * weight`, the gain learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return self.gain * weight


def scaled(model: nn.Module) -> nn.Module:
    for layer in model.model.layers:  # type: ignore[union-attr]
        parametrize.register_parametrization(layer.mlp.up_proj, "weight", Scaled())  # type: ignore[union-attr]
    return model


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def phases(stacks: object, artifacts: object = None) -> tuple[Phase, ...]:
        recipe = replace(load(["reinforce_pp"]), method="scaled").add(model_transforms=scaled)
        return (Phase(1.0, recipe.override(reward=by_length)),)

    monkeypatch.setattr(run_module, "load_phases", phases)
    models.save_policy(*tiny_policy(), tmp_path / "policy")
    return tmp_path / "policy"


def by_length(groups, step):
    return [torch.tensor([float(r.response_length) for r in g.rollouts]) for g in groups]


def test_what_is_saved_is_plain_and_writes_what_was_trained(start: Path, tmp_path: Path) -> None:
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    for folder in (out, scratch):
        folder.mkdir()
    train(Job("scaled", 0, [PhaseSettings(methods=["grpo"])], SETTINGS, POOL, start), out, scratch)
    before, after = (load_file(folder / "model.safetensors") for folder in (start, out / "policy"))
    assert before.keys() == after.keys()
    state = torch.load(scratch / "checkpoint.pt", weights_only=True)["models"]["policy"]
    gain = state["model.layers.0.mlp.up_proj.parametrizations.weight.0.gain"]
    original = state["model.layers.0.mlp.up_proj.parametrizations.weight.original"]
    assert gain != 1.0
    torch.testing.assert_close(after["model.layers.0.mlp.up_proj.weight"], gain * original)
    model, tokenizer = models.load_policy(out / "policy")
    assert complete_all(HFEngine(model, tokenizer), [[1, 2]], Sampling(4), [3])


def test_folding_changes_no_number_and_leaves_the_model_as_it_is() -> None:
    model = scaled(tiny_policy()[0])
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.parametrizations.weight[0].gain.fill_(1.7)  # type: ignore[union-attr,index]
    plain, ids = tiny_policy(seed=5)[0], torch.tensor([[1, 5, 6, 7]])
    plain.load_state_dict(models.folded_state(model))
    torch.testing.assert_close(plain(ids).logits, model(ids).logits)
    assert any(parametrize.is_parametrized(m) for m in model.modules())
    assert models.folded_state(plain).keys() == plain.state_dict().keys()
