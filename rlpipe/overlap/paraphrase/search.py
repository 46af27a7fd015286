"""Stage 3 of the overlap, off unless asked for: the same problem in other words, by embeddings and an optional judge.

For each evaluation text the nearest training texts are found by cosine, without the pairs that the stages on words
flagged. Those from a threshold on are pairs of method `embedding`. What becomes of one:

judge says      same numbers    other numbers
yes             drop            template
no              keep            keep
anything else   review          template        and the reason begins with `unknown:`
is not there    review          template

Problems that are told apart by a key are compared by their key alone, as in the other stages.
Source: specification 2.4, stage 3. Differs: the cosine has a threshold, so that the stage is of use without a judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rlpipe.overlap.compare import Decision, Finding
from rlpipe.overlap.eval_text import EvalText
from rlpipe.overlap.paraphrase.embed import Embed, embedder
from rlpipe.overlap.paraphrase.judge import Answer, Judge, answers, model_judge
from rlpipe.overlap.paraphrase.nearest import Near, Nearest
from rlpipe.overlap.thresholds import Paraphrases


@dataclass(frozen=True)
class ParaphraseSearch:
    """The settings of the stage with the models they name."""

    settings: Paraphrases
    embed: Embed
    judge: Judge | None = None

    @classmethod
    def load(cls, settings: Paraphrases) -> ParaphraseSearch:
        """Raises: ModelError naming the model that cannot be loaded."""
        judge = None if settings.judge is None else model_judge(settings.judge, settings.answer_tokens)
        return cls(settings, embedder(settings.model, settings.batch_size)[0], judge)

    def nearest(self, texts: Sequence[EvalText]) -> Nearest:
        """The evaluation texts embedded, with no training text seen yet."""
        return Nearest(["" if t.key is not None else t.text for t in texts], self.embed, self.settings.top)

    def judged(self, nearest: Nearest, texts: Sequence[EvalText]) -> Iterator[tuple[int, Near, Answer | None]]:
        """Pairs from the threshold on, by evaluation text, nearest first, with what the judge says of them."""
        least = self.settings.threshold
        found = [(i, near) for i in range(len(texts)) for near in nearest.of(i) if near.cosine >= least]
        said: Sequence[Answer | None] = [None] * len(found)
        if self.judge is not None:
            said = answers(self.judge, [(near.text, texts[i].text) for i, near in found])
        for (i, near), answer in zip(found, said, strict=True):
            yield i, near, answer

    def decide(self, near: Near, answer: Answer | None, same_numbers: bool) -> Finding:
        """What becomes of a pair, by the table above."""
        word = "none" if answer is None else answer.word
        decision: Decision = "keep" if word == "no" else "drop" if word == "yes" else "review"
        says = {"none": "no judge looked", "yes": "the judge says yes", "no": "the judge says no"}
        said = says.get(word) or f"the judge gave no answer: {answer.said if answer else ''}"
        said = f"cosine {near.cosine:.3f}, {said}"
        if decision != "keep" and not same_numbers:
            decision, said = "template", f"other numbers, {said}"
        reason = f"unknown: {said}" if word == "unknown" else said
        return Finding(decision, "embedding", None, near.cosine, self.settings.threshold, reason)
