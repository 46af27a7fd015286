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
from rlpipe.types import Finish, Message, Rollout, Sampling


class VLLMEngine:
    """Rollouts from vLLM in this process, colocated with the trainer on one device.

    `entropy` is the entropy of the `top_logprobs` most likely tokens, not renormalised: vLLM does not hand out the whole
    distribution. `memory_share` is the share of the device's memory vLLM may take.
    """

    exact = False

    def __init__(self, model: Any, tokenizer: Any, memory_share: float = 0.4, top_logprobs: int = 20):
        try:
            # In this process, so that weights can be handed over as tensors.
            os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
            import vllm
        except ImportError as error:
            raise RuntimeError(
                "train.engine is vllm, which is not installed: `pip install 'rlpipe[vllm]'`, or set train.engine to hf"
            ) from error
        self.vllm, self.tokenizer, self.top_logprobs = vllm, tokenizer, top_logprobs
        self.directory = tempfile.TemporaryDirectory(prefix="rlpipe-vllm-")
        start = Path(self.directory.name) / "policy"
        models.save_policy(model, tokenizer, start)
        self.engine = vllm.LLM(
            model=str(start),
            gpu_memory_utilization=memory_share,
            enable_prefix_caching=True,
            max_logprobs=max(top_logprobs, 1),
            logprobs_mode="processed_logprobs",
        )

    def load_policy(self, policy: Any) -> None:
        """Hand the weights over, tensor by tensor; a directory is read first.

        Raises: RuntimeError if vLLM did not take every tensor.
        """
        model = models.load_policy(policy)[0] if isinstance(policy, str | Path) else policy
        weights = [(name, tensor.detach()) for name, tensor in model.state_dict().items()]
        taken = self.engine.apply_model(lambda inner: inner.load_weights(iter(weights)))[0]
        if taken is not None and not taken:
            raise RuntimeError("vLLM took none of the policy's weights: its architecture and the trainer's differ")
        self.engine.reset_prefix_cache()

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a conversation, with the generation prompt."""
        return models.encode(self.tokenizer, messages)

    def complete(
        self, prefixes: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int], policy_step: int = 0
    ) -> list[Rollout]:
        """One rollout per prefix; each request carries its own seed."""
        params = [
            self.vllm.SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k or -1,
                max_tokens=sampling.max_new_tokens,
                seed=seed % 2**63,
                logprobs=self.top_logprobs,
            )
            for seed in seeds
        ]
        prompts = [{"prompt_token_ids": list(p)} for p in prefixes]
        outputs = self.engine.generate(prompts, params, use_tqdm=False)
        return [self._rollout(p, o.outputs[0], policy_step) for p, o in zip(prefixes, outputs, strict=True)]

    def _rollout(self, prefix: Sequence[int], output: Any, policy_step: int) -> Rollout:
        ids = list(output.token_ids)
        logprob = [step[token].logprob for step, token in zip(output.logprobs, ids, strict=True)]
        entropy = [-sum(math.exp(x.logprob) * x.logprob for x in step.values()) for step in output.logprobs]
        finish: Finish = "stop" if output.finish_reason == "stop" else "length"
        text_ids = ids[:-1] if ids and ids[-1] == self.tokenizer.eos_token_id else ids
        blank = [0.0] * len(prefix)
        return Rollout(
            tokens=torch.tensor([*prefix, *ids]),
            response_mask=torch.arange(len(prefix) + len(ids)) >= len(prefix),
            logprob=torch.tensor(blank + logprob),
            entropy=torch.tensor(blank + entropy),
            text=self.tokenizer.decode(text_ids),
            finish=finish,
            policy_step=policy_step,
        )
