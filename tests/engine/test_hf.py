"""The built-in engine: agrees with the library, and a row depends on its own prefix and seed alone."""

from __future__ import annotations

import pytest
import torch

from rlpipe.engine import hf
from rlpipe.engine.batched import complete_all
from rlpipe.engine.decoders import LibraryDecoder, LlamaDecoder, decoder_of
from rlpipe.engine.draw import draw, restrict, uniforms
from rlpipe.engine.hf import HFEngine
from rlpipe.types import Sampling
from tests.toy import tiny_policy

PROMPTS = [[1, 5, 6], [1, 7], [1, 5, 6], [1, 8, 9, 10, 5]]
SEEDS = [11, 12, 13, 14]


@pytest.fixture(params=["llama", "qwen3"])
def engine(request: pytest.FixtureRequest) -> HFEngine:
    return HFEngine(*tiny_policy(architecture=request.param))


def texts(engine: HFEngine, prompts: list[list[int]], seeds: list[int], **sampling: float) -> list[list[int]]:
    return [r.tokens.tolist() for r in complete_all(engine, prompts, Sampling(12, **sampling), seeds)]


def test_own_forward_and_library_write_the_same_text(engine: HFEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(decoder_of(engine.model), LlamaDecoder)
    own = texts(engine, PROMPTS, SEEDS)
    monkeypatch.setattr(hf, "decoder_of", LibraryDecoder)
    assert texts(engine, PROMPTS, SEEDS) == own


def test_logprob_and_entropy_are_the_models(engine: HFEngine) -> None:
    for rollout in complete_all(engine, PROMPTS, Sampling(12), SEEDS):
        logprobs = engine.model(rollout.tokens[None]).logits[0].log_softmax(-1)
        expected = logprobs[:-1].gather(-1, rollout.tokens[1:, None]).squeeze(-1)
        entropy = -(logprobs.exp() * logprobs).sum(-1)[:-1]
        mask = rollout.response_mask
        torch.testing.assert_close(rollout.logprob[mask], expected[mask[1:]], atol=1e-5, rtol=0)
        torch.testing.assert_close(rollout.entropy[mask], entropy[mask[1:]], atol=1e-5, rtol=0)


def test_a_row_does_not_depend_on_the_others(engine: HFEngine) -> None:
    together = texts(engine, PROMPTS * 8, [*range(32)])
    alone = [texts(engine, [p], [s])[0] for p, s in zip(PROMPTS * 8, range(32), strict=True)]
    assert together == alone
    engine.max_rows = 5
    assert texts(engine, PROMPTS * 8, [*range(32)]) == together


def test_seeds_decide(engine: HFEngine) -> None:
    assert texts(engine, [PROMPTS[0]] * 2, [1, 1])[0] == texts(engine, [PROMPTS[0]], [1])[0]
    assert len({tuple(t) for t in texts(engine, [PROMPTS[0]] * 50, list(range(50)))}) > 10


def test_greedy_takes_the_most_likely_token(engine: HFEngine) -> None:
    rollout = complete_all(engine, [PROMPTS[0]], Sampling(6, temperature=0.0), [0])[0]
    logits = engine.model(rollout.tokens[None]).logits[0]
    assert rollout.tokens[3:].tolist() == logits.argmax(-1)[2:-1].tolist()


def test_finish_and_text_leave_out_the_end_token(engine: HFEngine) -> None:
    rollouts = complete_all(engine, [PROMPTS[1]] * 200, Sampling(30), list(range(200)))
    ended = [r for r in rollouts if r.finish == "stop"]
    assert ended
    assert all(r.tokens[-1] == engine.tokenizer.eos_token_id and "<eos>" not in r.text for r in ended)
    assert all(r.response_length == 30 for r in rollouts if r.finish == "length")


def test_too_long_a_prompt_is_refused_before_decoding(engine: HFEngine) -> None:
    with pytest.raises(ValueError, match="the model ends at 64"):
        complete_all(engine, [[1] * 60], Sampling(12), [0])
    with pytest.raises(ValueError, match="no tokens"):
        complete_all(engine, [[]], Sampling(12), [0])


def test_draws_have_the_frequencies_of_the_distribution() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    tokens, _, _ = draw(logits.expand(20_000, -1), Sampling(1), uniforms(range(20_000), 1)[:, 0])
    frequency = torch.bincount(tokens, minlength=4) / 20_000
    torch.testing.assert_close(frequency, logits.softmax(-1)[0], atol=0.01, rtol=0)


def test_uniforms_are_counter_based_and_uniform() -> None:
    assert torch.equal(uniforms([5, 9], 7)[1], uniforms([9], 20)[0, :7])
    u = uniforms(range(2000), 50)
    assert 0 <= float(u.min()) < 1e-3
    assert 1 - 1e-3 < float(u.max()) < 1
    assert abs(float(u.mean()) - 0.5) < 3e-3
    assert abs(float((u[:, 1:] * u[:, :-1]).mean()) - 0.25) < 3e-3


def test_top_k_and_top_p_keep_the_likeliest() -> None:
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0]])
    assert restrict(logits, Sampling(1, top_k=2)).isinf().tolist() == [[False, False, True, True]]
    # Probabilities .644 .237 .087 .032: the token that crosses p stays.
    assert restrict(logits, Sampling(1, top_p=0.7)).isinf().tolist() == [[False, False, True, True]]
    assert restrict(logits, Sampling(1, top_p=0.6)).isinf().tolist() == [[False, True, True, True]]
