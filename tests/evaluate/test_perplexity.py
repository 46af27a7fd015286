"""Perplexity of outside traces, against the model's own forward pass."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from rlpipe.evaluate.compare import perplexity as module
from rlpipe.evaluate.compare.perplexity import encode_traces, mean_logprob, narrowing
from rlpipe.policy.forward import Policy
from rlpipe.policy.scoring import score_rows
from tests.evaluate.policies import WORDS
from tests.toy import tiny_policy

TRACES = [
    ([{"role": "user", "content": "what is 2"}], "Answer: 2"),
    ([{"role": "user", "content": "what is 3 4"}], "is 5 Answer: 1 3"),
    ([{"role": "user", "content": "is 0"}], "1"),
]


def test_mean_logprob_is_the_models_own() -> None:
    model, tokenizer = tiny_policy(WORDS)
    traces = encode_traces(tokenizer, TRACES)
    found = mean_logprob(Policy(model), traces)
    for (prefix, solution), value in zip(traces, found, strict=True):
        assert solution[-1] == tokenizer.eos_token_id
        ids = torch.tensor([[*prefix, *solution]])
        with torch.no_grad():
            logprobs = model(ids).logits.log_softmax(-1)[0, len(prefix) - 1 : -1]
        mean = logprobs.gather(1, ids[0, len(prefix) :, None]).mean()
        assert value == pytest.approx(float(mean), rel=1e-5)


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = tiny_policy(WORDS)
    traces = encode_traces(tokenizer, TRACES)
    all_at_once = mean_logprob(Policy(model), traces)
    monkeypatch.setattr(module, "score_rows", partial(score_rows, most_tokens=1))
    np.testing.assert_allclose(mean_logprob(Policy(model), traces), all_at_once, rtol=1e-5)


def test_a_policy_does_not_narrow_against_itself() -> None:
    (model, tokenizer), (other, _) = tiny_policy(WORDS), tiny_policy(WORDS, seed=1)
    traces = encode_traces(tokenizer, TRACES)
    same = narrowing(Policy(model), Policy(model), traces)
    assert (same.value, same.p) == (0.0, 1.0)
    there, back = narrowing(Policy(model), Policy(other), traces), narrowing(Policy(other), Policy(model), traces)
    assert there.value == pytest.approx(-back.value)
    assert there.value != 0


def test_a_trace_without_a_solution_is_refused() -> None:
    model, _ = tiny_policy(WORDS)
    with pytest.raises(ValueError, match="trace 1"):
        mean_logprob(Policy(model), [([1], [2]), ([1], [])])
