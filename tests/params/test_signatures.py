"""What a user of params.yaml is told, and what it costs to find out."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rlpipe.ops.schedules import Linear
from rlpipe.params import signatures
from rlpipe.params.signatures import (
    artifacts_named,
    bases,
    check_methods,
    methods_table,
    read_method,
    read_methods,
    resolve,
    resolved_methods,
)
from rlpipe.recipe import load
from rlpipe.train.settings import RunSettings
from tests.toy import F1_ADVANTAGE, f1, step

BASES = ", ".join(bases())


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ("grpo", "methods must be a list"),
        ([3], "method 3 is neither a name nor {name: {hyperparameter: value}}"),
        ([{"grpo": 3}], "is neither a name"),
        (["gpro"], f"unknown method 'gpro'; did you mean 'grpo'? Methods: {', '.join(sorted(read_methods()))}"),
        (
            ["grpo", {"kl_cov": {"fractoin": 1}}],
            "did you mean 'fraction'? It takes: fraction, coefficient, only_positive",
        ),
        (["grpo", {"kl_cov": {"xyz": 1}}], "method kl_cov has no hyperparameter 'xyz'. It takes: fraction, "),
        (
            ["grpo", {"kl_cov": {"fraction": 1.5}}],
            "method kl_cov: fraction = 1.5 is not a number in [0, 1], or a schedule {start, end, steps} between two such; "
            "published: 0.002",
        ),
        (["grpo", {"tis": {"cap": 0}}], "cap = 0 is not a number > 0"),
        ([{"dapo": {"dual_clip": 0.5}}], "dual_clip = 0.5 is not a number >= 1"),
        ([{"grpo": {"clip_high": -0.1}}], "clip_high = -0.1 is not a number >= 0"),
        ([{"grpo": {"clip_low": True}}], "clip_low = True is not"),
        ([{"grpo": {"clip_low": float("nan")}}], "clip_low = nan is not"),
        ([{"grpo": {"clip_low": "wide"}}], "clip_low = 'wide' is not"),
        ([{"grpo": {"clip_low": {"start": 0, "end": 2, "steps": 5}}}], "is not a number in [0, 1], or a schedule"),
        ([{"grpo": {"clip_low": {"start": 0, "end": 1}}}], "or a schedule {start, end, steps}"),
        ([{"grpo": {"clip_low": {"start": 0, "end": 1, "steps": 0}}}], "or a schedule {start, end, steps}"),
        ([{"grpo": {"length": 2.5}}], "length = 2.5 is not a whole number >= 1; published: 1024"),
        ([{"grpo": {"reduction": "mean"}}], "reduction = 'mean' is not one of sequence, token, constant"),
        ([{"dapo": {"dynamic_sampling": "maybe"}}], "dynamic_sampling = 'maybe' is not true or false"),
        (["grpo", "grpo"], "method 'grpo' is listed twice"),
        (["grpo", "dapo"], "slot 'advantage' is filled twice: by grpo and by dapo"),
        (
            ["kl_cov", "grpo"],
            f"kl_cov changes 'policy_loss', which no method before it fills; list a base method first: {BASES}",
        ),
        (["entropy_bonus"], f"entropy_bonus leaves advantage and policy_loss unfilled; start with one of: {BASES}"),
        ([], "no method leaves advantage and policy_loss unfilled"),
    ],
)
def test_wrong_input_is_answered_with_what_would_be_right(methods, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_methods(methods)


def test_methods_that_fill_what_training_needs_are_bases():
    known = {"clip_cov", "dace", "dapo", "dr_grpo", "entropy_bonus", "grpo", "kl_cov", "reinforce_pp", "rloo", "tis"}
    assert known <= set(read_methods())
    assert known & set(bases()) == {"dapo", "dr_grpo", "grpo", "reinforce_pp", "rloo"}


def test_resolved_values_are_those_given_and_the_published_ones():
    methods = ["grpo", {"clip_cov": {"fraction": "2e-4", "low": {"start": 1, "end": 2, "steps": 10}}}]
    assert resolve(methods) == [
        ("grpo", {"clip_low": 0.2, "clip_high": 0.2, "reduction": "sequence", "length": 1024}),
        ("clip_cov", {"fraction": 0.0002, "low": Linear(1.0, 2.0, 10), "high": 5.0}),
    ]
    plain = resolved_methods(methods)
    assert plain[1] == {"clip_cov": {"fraction": 0.0002, "low": {"start": 1.0, "end": 2.0, "steps": 10}, "high": 5.0}}
    assert resolved_methods(plain) == plain, "what a receipt records can be run again"


def test_a_numbers_type_does_not_change_what_is_recorded():
    assert repr(resolved_methods([{"grpo": {"clip_low": 1}}])) == repr(resolved_methods([{"grpo": {"clip_low": 1.0}}]))


def test_checking_imports_neither_torch_nor_a_method():
    code = (
        "import sys; from rlpipe.params.signatures import check_methods; check_methods(['grpo', 'kl_cov']); "
        "heavy = [m for m in sys.modules if m.split('.')[0] in ('torch', 'numpy', 'transformers', 'polars', 'pyarrow') "
        "or m.startswith('rlpipe.methods.')]; sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


def test_table_has_a_row_per_method():
    rows = {row["method"]: row for row in methods_table()}
    assert list(rows) == sorted(read_methods())
    assert rows["kl_cov"] == {
        "method": "kl_cov",
        "slots": "policy_loss (replaced), annotations (added to), auxiliary_losses (added to)",
        "paper": "arXiv:2505.22617",
        "defaults": "fraction=0.002, coefficient=1.0, only_positive=False",
        "changes": "KL-Cov: no clip; instead a penalty on the few tokens whose covariance drives entropy down.",
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def mine(recipe, *, x: Fraction = 0.1):\n    return recipe\n", "needs a docstring and a function named mine"),
        ('"""Text."""\ndef other(recipe):\n    return recipe\n', "a function named mine"),
        ('"""Text."""\ndef mine(recipe, *, x=0.1):\n    return recipe\n', "'x' needs a type and a published default"),
        (
            '"""Text."""\ndef mine(recipe, *, x: Fraction):\n    return recipe\n',
            "'x' needs a type and a published default",
        ),
    ],
)
def test_a_method_file_that_cannot_be_read_says_why(tmp_path, source, message):
    file = tmp_path / "mine.py"
    file.write_text(source)
    with pytest.raises(ValueError, match="mine") as caught:
        read_method(file)
    assert message in str(caught.value)


def test_the_method_of_the_documentation_is_one(tmp_path):
    """The example of docs/methods.md is read like a method file, and does what it says."""
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text()
    file = tmp_path / "positive_scale.py"
    file.write_text(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1])
    method = read_method(file)
    assert method.slots["add"] == ("advantage_shaping",)
    assert method.hyperparameters["scale"].default == 0.3
    namespace = runpy.run_path(str(file))
    recipe = namespace["positive_scale"](load(["grpo"]), scale=0.5)
    shaped = recipe.advantage_shaping[0](f1(advantage=F1_ADVANTAGE), step())
    assert torch.equal(shaped, F1_ADVANTAGE.clamp(min=0) * 0.5 + F1_ADVANTAGE.clamp(max=0))


TEACHER = '''"""Held to a teacher."""


def taught(recipe, *, teacher: Artifact = None, weight: Fraction = 0.5):
    """Source: none."""
    return recipe.add(diagnostics={"teacher": teacher})
'''


@pytest.fixture
def taught(tmp_path, monkeypatch):
    """A folder of methods with one more, whose hyperparameter names an artifact."""
    (tmp_path / "taught.py").write_text(TEACHER)
    known = {**read_methods(), "taught": read_method(tmp_path / "taught.py")}
    monkeypatch.setattr(signatures, "read_methods", lambda: known)


def test_an_artifact_named_by_a_hyperparameter_becomes_an_input_and_its_directory(taught):
    stack = ["grpo", {"taught": {"teacher": "train/large"}}]
    assert artifacts_named(stack) == ["train/large"]
    assert artifacts_named(["grpo", "taught"]) == []
    assert dict(resolve(stack))["taught"] == {"teacher": "train/large", "weight": 0.5}
    placed = resolve(stack, {"train/large": "results/train/large/seed-3"})
    assert dict(placed)["taught"]["teacher"] == "results/train/large/seed-3"
    run = RunSettings(seeds=[3], methods=stack, start="train/small/seed-1")
    assert run.inputs(3) == {"train/small/seed-1": "train/small/seed-1", "train/large": "train/large/seed-3"}
    assert RunSettings(seeds=[0], methods=["grpo"]).inputs(0) == {"sft": "sft"}


@pytest.mark.parametrize("wrong", ["evaluate/x", "train", "train/x/seed", "/tmp", 3])
def test_what_is_no_artifact_is_refused(taught, wrong):
    with pytest.raises(ValueError, match=r"teacher = .* is not the name of an artifact: sft, train/<run> or"):
        resolve(["grpo", {"taught": {"teacher": wrong}}])
