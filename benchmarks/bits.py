"""Do two processors compute the same bits? Hashes of what the default experiment computes, pinned and not.

    python -m benchmarks.bits

Compare the hashes with those in docs/workflow.md, measured elsewhere with the same versions. One thread; three turns, so that
the price of pinning can be read off as a ratio of neighbours.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time

from rlpipe.pipeline.portable import KERNELS

TURNS, TIMED = 3, 20


def hashed(*tensors: object) -> str:
    digest = hashlib.md5()
    for tensor in tensors:
        digest.update(tensor.detach().contiguous().numpy().tobytes())  # type: ignore[attr-defined]
    return digest.hexdigest()[:8]


def compute() -> None:
    """Products, an activation, a softmax; a training step of a small Llama and a step of Muon."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from rlpipe.policy.forward import Policy
    from rlpipe.train.sft.muon import Muon

    torch.manual_seed(0)
    torch.set_num_threads(1)
    a, b, x = torch.randn(96, 288), torch.randn(288, 96), torch.randn(512, 96, requires_grad=True)
    y = torch.nn.functional.silu(x @ a) @ b
    y.softmax(-1).log().sum().backward()
    shape = {"hidden_size": 96, "intermediate_size": 288, "num_hidden_layers": 3, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=60, num_key_value_heads=2, **shape))
    tokens = torch.randint(0, 60, (64, 48))
    mask = (torch.arange(48) >= 12).expand(64, 48)
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and ".layers." in n]
    optimizer = Muon(matrices, lr=0.01)

    def learn() -> None:
        model.zero_grad()
        signals = Policy(model)(tokens, mask)
        (signals.logprob.mean() + 0.1 * signals.entropy.mean()).backward()
        optimizer.step()

    for _ in range(3):
        learn()
    after = hashed(*matrices)
    started = time.perf_counter()
    for _ in range(TIMED):
        learn()
    seconds = (time.perf_counter() - started) / TIMED
    width = torch.backends.cpu.get_cpu_capability()
    print(
        f"{width:8s} operations {hashed(y, x.grad, x @ a)}  policy after three steps {after}  {1000 * seconds:.0f} ms a step"
    )


def main() -> None:
    if sys.argv[1:]:
        compute()
        return
    for _ in range(TURNS):
        for label, settings in (("as the processor likes", {}), ("pinned (portable)", KERNELS)):
            plain = {k: v for k, v in os.environ.items() if k not in KERNELS}
            command = [sys.executable, "-m", "benchmarks.bits", "once"]
            done = subprocess.run(command, env={**plain, **settings}, capture_output=True, text=True, check=True)
            print(f"{label:24s} {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
