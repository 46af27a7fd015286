"""An engine of three steps, good or bad, drawn from the seed: tokens 0 end, 1 separator, 2 good, 3 bad."""

from __future__ import annotations

import random
from math import log

import torch

from rlpipe.types import Prompt, Verdict
from tests.toy import Answering, written

WORDS = {0: "", 1: ";", 2: "good", 3: "bad", 4: ""}
STEPS = 3
PROMPT = Prompt("p", ({"role": "user", "content": "go"},), "good good good", "test")


def decode(ids):
    return " ".join(WORDS[i] for i in ids)


class Scripted(Answering):
    def __init__(self, good=0.5, empty=False):
        super().__init__()
        self.good, self.empty, self.calls = good, empty, []

    def encode(self, messages):
        return [9]

    def answer(self, requests):
        self.calls.append((tuple(r.prefix for r in requests), tuple(r.seed for r in requests)))
        return [self._one(r) for r in requests]

    def _one(self, request):
        rng, done, ids = random.Random(request.seed), request.prefix.count(1), []
        room = request.sampling.max_new_tokens
        while len(ids) < room and 0 not in ids:
            if self.empty:
                ids += [4, 1]
            elif done == STEPS:
                ids.append(0)
            else:
                ids += [2 if rng.random() < self.good else 3, 1]
                done += 1
        ids = ids[:room]
        logprob = torch.tensor([0.0] * len(request.prefix) + [log(0.9 if i == 2 else 0.4) for i in ids])
        finish = "stop" if ids[-1] == 0 else "length"
        return written(request, ids, decode(ids), logprob=logprob, finish=finish)


def score(prompt, text, logprobs):
    words = text.replace(";", "").split()
    return words.count("good") / len(words) if words else 0.5


def verify(prompt, text):
    answer = " ".join(text.replace(";", "").split())
    return Verdict(float(answer == prompt.answer), "ok", answer, answer or None)
