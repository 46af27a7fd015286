"""vLLM behind the engine protocol: token ids in, token ids and log-probabilities out, weights loaded from the trainer.

vLLM is an extra (`pip install 'rlpipe[vllm]'`), imported only here. Its log-probabilities come from other kernels than
the trainer's, so the engine is not `exact`: the step measures the old policy itself and logs the difference.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from rlpipe import models
from rlpipe.engine.batched import Batched
from rlpipe.engine.protocol import refuse_unknown_rule
from rlpipe.policy.precision import arithmetic
from rlpipe.types import Finish, Message, Request, Rollout


class VLLMEngine(Batched):
    """Rollouts from vLLM in this process, colocated with the trainer on one device.

    `entropy` is the entropy of the `top_logprobs` most likely tokens, not renormalised: vLLM does not hand out the whole
    distribution. `memory_share` is the share of the device's memory vLLM may take.
    """

    weights = True

    def __init__(self, model: Any, tokenizer: Any, memory_share: float = 0.4, top_logprobs: int = 20):
        super().__init__()
        self.step, self.longest, self.ends = 0, models.longest(model.config), models.end_tokens(model, tokenizer)
        try:
            # In this process, so that weights can be handed over as tensors.
            os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
            import vllm
        except ImportError as error:
            raise RuntimeError(
                "`engine` is vllm, which is not installed: `pip install 'rlpipe[vllm]'`, or set it to hf"
            ) from error
        self.vllm, self.tokenizer, self.top_logprobs = vllm, tokenizer, top_logprobs
        self.special_ids = frozenset(tokenizer.all_special_ids) | self.ends
        self.directory = tempfile.TemporaryDirectory(prefix="rlpipe-vllm-")
        start = Path(self.directory.name) / "policy"
        models.save_policy(model, tokenizer, start)
        self.engine = vllm.LLM(
            model=str(start),
            dtype=str(arithmetic(model)).removeprefix("torch."),
            gpu_memory_utilization=memory_share,
            enable_prefix_caching=True,
            max_logprobs=max(top_logprobs, 1),
            logprobs_mode="processed_logprobs",
        )

    def load_policy(self, policy: Any, step: int = 0) -> None:
        """Hand the weights over, tensor by tensor; a directory is read first.

        Raises: RuntimeError if vLLM did not take every tensor.
        """
        model = models.load_policy(policy)[0] if isinstance(policy, str | Path) else policy
        weights = [(name, tensor.detach()) for name, tensor in models.folded_state(model).items()]
        taken = self.engine.apply_model(lambda inner: inner.load_weights(iter(weights)))[0]
        if taken is not None and not taken:
            raise RuntimeError("vLLM took none of the policy's weights: its architecture and the trainer's differ")
        self.engine.reset_prefix_cache()
        self.step = step

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, with the generation prompt."""
        return models.encode(self.tokenizer, messages)

    def encode_reply(self, messages: Sequence[Message], ended: bool) -> list[int]:
        """Token ids of what follows a turn of the policy, with the generation prompt."""
        return models.encode_reply(self.tokenizer, messages, self.ends if ended else frozenset())

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids)))

    def answer(self, requests: Sequence[Request]) -> list[Rollout]:
        """One rollout per request; each carries its own seed.

        Raises: ValueError for a logit rule, as vLLM applies none.
        """
        refuse_unknown_rule(requests[0].sampling, self.logit_rules, "vllm")
        prompts = [{"prompt_token_ids": list(r.prefix)} for r in requests]
        outputs = self.engine.generate(prompts, [self._params(r) for r in requests], use_tqdm=False)
        return [self._rollout(r, o.outputs[0]) for r, o in zip(requests, outputs, strict=True)]

    def _params(self, request: Request) -> Any:
        sampling = request.sampling
        return self.vllm.SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k or -1,
            max_tokens=sampling.max_new_tokens,
            stop=list(sampling.stop) or None,
            stop_token_ids=sorted(self.ends),
            include_stop_str_in_output=True,
            seed=request.seed % 2**63,
            logprobs=self.top_logprobs,
        )

    def _rollout(self, request: Request, output: Any) -> Rollout:
        prefix, ids = list(request.prefix), list(output.token_ids)
        logprob = [step[token].logprob for step, token in zip(output.logprobs, ids, strict=True)]
        entropy = [-sum(math.exp(x.logprob) * x.logprob for x in step.values()) for step in output.logprobs]
        finish: Finish = "stop" if output.finish_reason == "stop" else "length"
        ended = bool(ids) and ids[-1] in self.ends
        blank = [0.0] * len(prefix)
        return Rollout(
            tokens=torch.tensor([*prefix, *ids]),
            response_mask=torch.arange(len(prefix) + len(ids)) >= len(prefix),
            logprob=torch.tensor(blank + logprob),
            entropy=torch.tensor(blank + entropy),
            turns=(self.tokenizer.decode(ids[:-1] if ended else ids),),
            finish=finish,
            stop=output.stop_reason if isinstance(output.stop_reason, str) else None,
            policy_step=self.step,
            sampling=request.sampling,
            opened=models.opened(self.tokenizer, request.prefix),
        )
