"""An engine of three steps, good or bad, drawn from the seed: tokens 0 end, 1 separator, 2 good, 3 bad."""

from __future__ import annotations

import random
from math import log

import torch

from rlpipe.types import Prompt, Rollout, Verdict

WORDS = {0: "", 1: ";", 2: "good", 3: "bad", 4: ""}
STEPS = 3
PROMPT = Prompt("p", ({"role": "user", "content": "go"},), "good good good", "test")


def decode(ids):
    return " ".join(WORDS[i] for i in ids)


class Scripted:
    exact = True

    def __init__(self, good=0.5, empty=False):
        self.good, self.empty, self.calls = good, empty, []

    def encode(self, messages):
        return [9]

    def load_policy(self, policy):
        raise NotImplementedError

    def complete(self, prefixes, sampling, seeds, policy_step=0):
        self.calls.append((tuple(map(tuple, prefixes)), tuple(seeds)))
        return [self._one(list(p), s, sampling.max_new_tokens) for p, s in zip(prefixes, seeds, strict=True)]

    def _one(self, prefix, seed, room):
        rng, done, ids = random.Random(seed), prefix.count(1), []
        while len(ids) < room and 0 not in ids:
            if self.empty:
                ids += [4, 1]
            elif done == STEPS:
                ids.append(0)
            else:
                ids += [2 if rng.random() < self.good else 3, 1]
                done += 1
        ids = ids[:room]
        n = len(prefix)
        logprob = torch.tensor([0.0] * n + [log(0.9 if i == 2 else 0.4) for i in ids])
        mask = torch.arange(n + len(ids)) >= n
        finish = "stop" if ids[-1] == 0 else "length"
        return Rollout(torch.tensor(prefix + ids), mask, logprob, torch.zeros(n + len(ids)), decode(ids), finish)


def score(prompt, text, logprobs):
    words = text.replace(";", "").split()
    return words.count("good") / len(words) if words else 0.5


def verify(prompt, text):
    answer = " ".join(text.replace(";", "").split())
    return Verdict(float(answer == prompt.answer), "ok", answer, answer or None)
