"""Where two texts stop being different: the thresholds of the overlap stages, shared by curation and contamination."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class OverlapThresholds(BaseModel):
    """Rules that flag a pair (train row, evaluation row); words are those of the N1 normalisation.

    Source: specification 2.4; 13-grams after GPT-3 (arXiv:2005.14165, appendix C), shingles after text-dedup.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    ngram: int = Field(default=13, ge=2, description="Words of an n-gram whose presence in both texts flags the pair")
    coverage_ngram: int = Field(default=8, ge=2, description="Words of the n-grams that coverage is computed with")
    coverage_drop: float = Field(
        default=0.5, gt=0, le=1, description="Share of evaluation words covered from which a pair is dropped"
    )
    coverage_review: float = Field(
        default=0.2, gt=0, le=1, description="The same share from which a pair is listed for review"
    )
    lcs_drop: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Longest common subsequence over the shorter length, for evaluation rows too short to cover",
    )
    shingle: int = Field(default=5, ge=1, description="Words of a shingle, for Jaccard similarity")
    short_shingle: int = Field(default=3, ge=1, description="Words of a shingle where the evaluation row is short")
    short_words: int = Field(default=20, ge=1, description="Words below which an evaluation row is short")
    jaccard_drop: float = Field(default=0.8, gt=0, le=1, description="Jaccard similarity from which a pair is dropped")
    jaccard_review: float = Field(
        default=0.5, gt=0, le=1, description="Jaccard similarity from which a pair is listed for review"
    )
    boilerplate_share: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Share of evaluation texts above which an n-gram is wording they have in common, not evidence",
    )
    boilerplate_rows: int = Field(
        default=10, ge=1, description="Evaluation texts an n-gram must exceed to count as such wording"
    )

    @model_validator(mode="after")
    def _consistent(self) -> OverlapThresholds:
        if self.ngram < self.coverage_ngram:
            raise ValueError(
                f"ngram is {self.ngram}, below coverage_ngram {self.coverage_ngram}; it must be at least that"
            )
        for name in ("coverage", "jaccard"):
            review, drop = getattr(self, f"{name}_review"), getattr(self, f"{name}_drop")
            if review > drop:
                raise ValueError(
                    f"{name}_review is {review}, above {name}_drop {drop}; review must be the lower of the two"
                )
        return self


class Paraphrases(BaseModel):
    """The stage that looks for the same problem in other words, by embeddings; it runs where this is given.

    Cosines differ between embedding models: a threshold belongs to its model. That of 0.8 is meant for encoders trained to
    place sentences of one meaning together; hidden states of a causal LM exceed it for almost any two texts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1, description="Hugging Face model whose mean last hidden states embed a text")
    judge: str | None = Field(
        default=None,
        min_length=1,
        description="Hugging Face causal LM that is asked whether a pair is one problem in other words; none: nobody is",
    )
    threshold: float = Field(
        default=0.8, ge=-1, le=1, description="Cosine from which a pair counts; depends on the embedding model"
    )
    top: int = Field(default=5, ge=1, description="Training texts looked at for each evaluation text: the nearest")
    answer_tokens: int = Field(
        default=16, ge=1, description="Longest answer of the judge, in tokens; more for one that thinks aloud first"
    )
    batch_size: int = Field(default=64, ge=1, description="Texts embedded at once; changes memory and speed")
