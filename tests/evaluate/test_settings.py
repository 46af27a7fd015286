"""Settings refuse what cannot be, in words that name the remedy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from rlpipe.evaluate.settings import EvaluateSettings


def test_ks_default_to_powers_of_two() -> None:
    assert EvaluateSettings(samples=20).powers == (1, 2, 4, 8, 16)
    assert EvaluateSettings(ks=(1, 8)).powers == (1, 8)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ks": [3]}, "powers of two"),
        ({"ks": [4, 2]}, "increasing"),
        ({"samples": 8, "ks": [16]}, "raise samples"),
        ({"temperature": 0.0}, "set samples to 1"),
        ({"smaples": 3}, "smaples"),
        ({"top_p": 0.0}, "top_p"),
        ({"primary_metric": "accuracy"}, "pass@1"),
        ({"primary_metric": "pass@3", "samples": 8}, "pass@3"),
    ],
)
def test_mistakes_are_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EvaluateSettings.model_validate(values)


def test_settings_import_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'polars', 'pyarrow', 'numpy'}"
    code = f"import sys, rlpipe.evaluate.settings; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
