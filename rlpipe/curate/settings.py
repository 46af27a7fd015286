"""The `curate` section of params.yaml: where prompts come from, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from rlpipe.curate.files.shards import is_pattern, shards
from rlpipe.curate.files.tables.columns import Columns
from rlpipe.curate.files.tables.known import CONVERSATIONS, FORMATS
from rlpipe.overlap.thresholds import OverlapThresholds, Paraphrases

Split = Literal["demonstration", "train", "probe", "test"]
SPLITS: tuple[Split, ...] = ("demonstration", "train", "probe", "test")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(_Section):
    splits: tuple[Split, ...] = Field(
        default=SPLITS,
        min_length=1,
        validation_alias=AliasChoices("splits", "split"),
        description="The splits its prompts may go to; their fractions are scaled up to 1",
    )

    @field_validator("splits", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class TaskSource(_Source):
    """Problems drawn from one of our families, by level."""

    task: str = Field(description="A module of rlpipe.tasks, such as countdown", pattern=r"^[a-z][a-z0-9_]*$")
    levels: dict[str, Annotated[int, Field(ge=1)]] = Field(
        min_length=1, description="Number of distinct problems to draw, by level of the family"
    )


class GymSource(_Source):
    """Problems drawn from one reasoning-gym dataset."""

    reasoning_gym: str = Field(description="Name of a reasoning-gym dataset, such as chain_sum")
    size: int = Field(ge=1, description="Number of problems to draw")
    seed: int | None = Field(
        default=None, ge=0, lt=4294, description="Seed of the draw; null: derived from curate.seed"
    )
    config: dict[str, Any] = Field(default_factory=dict, description="Passed to the dataset as it is")


class FileSource(_Source):
    """Prompts read from files: Parquet, JSON, JSONL, CSV or TSV."""

    path: str = Field(
        description="A file, a folder of files, or a pattern such as data/*.jsonl, relative to the project"
    )
    format: str = Field(default="auto", description="Layout of the rows; auto: told from the columns and their values")
    data_source: str | None = Field(default=None, description="Selects the verifier where the layout names none")
    columns: Columns = Field(default_factory=Columns, description="Which columns are what, where no layout says so")

    @field_validator("format")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in FORMATS:
            raise ValueError(f"format '{name}' is not one of {', '.join(FORMATS)}")
        return name

    @model_validator(mode="after")
    def _columns_fit(self) -> FileSource:
        if self.columns.given and self.format in ("rlpipe", *CONVERSATIONS):
            raise ValueError(f"columns are for tables of problems; files in the layout {self.format} have their own")
        return self

    @property
    def files(self) -> list[Path]:
        """What the prompts are read from and made of: the file, the folder as a whole, or the files of the pattern.

        Raises: ValueError for a pattern that matches nothing.
        """
        return shards(self.path) if is_pattern(self.path) else [Path(self.path)]

    @property
    def rows_name_their_source(self) -> bool:
        """Whether the verifier of a row is only known once the file is read."""
        return self.columns.source is not None or self.format in ("auto", "rlpipe", "verl", "skyrl")


def _kind(value: Any) -> str | None:
    names = value if isinstance(value, dict) else vars(value)
    found = [name for name in ("task", "reasoning_gym", "path") if name in names]
    return found[0] if len(found) == 1 else None


Source = Annotated[
    Annotated[TaskSource, Tag("task")]
    | Annotated[GymSource, Tag("reasoning_gym")]
    | Annotated[FileSource, Tag("path")],
    Discriminator(
        _kind,
        custom_error_type="source_kind",
        custom_error_message="a source has exactly one of the keys task, reasoning_gym, path",
    ),
]


class Fractions(_Section):
    """Shares of the prompts by split; they add up to 1."""

    demonstration: float = Field(default=0.25, ge=0, le=1, description="For the warm-up")
    train: float = Field(default=0.55, ge=0, le=1, description="For reinforcement learning")
    probe: float = Field(
        default=0.1, ge=0, le=1, description="Never trained on: non-members for the contamination probe"
    )
    test: float = Field(default=0.1, ge=0, le=1, description="For evaluation")

    @model_validator(mode="after")
    def _sum_to_one(self) -> Fractions:
        total = sum(getattr(self, name) for name in SPLITS)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the fractions of the splits add up to {total:g}; they must add up to 1")
        return self


class NearDuplicates(_Section):
    """Near duplicates within the training side and within the evaluation side, by MinHash with verified Jaccard."""

    enabled: bool = Field(
        default=True, description="Look for them; prompts of task families are told apart by their key instead"
    )
    num_perm: int = Field(default=256, ge=16, description="MinHash permutations")
    candidates: float = Field(default=0.5, gt=0, lt=1, description="Jaccard similarity the MinHash index is tuned to")
    jaccard: float = Field(
        default=0.8, gt=0, le=1, description="Verified Jaccard similarity from which two rows are one"
    )


class Decontamination(OverlapThresholds):
    """Training prompts that occur in the test split."""

    review: Literal["drop", "keep"] = Field(
        default="drop", description="Training rows whose overlap is in the review range"
    )
    template: Literal["drop", "keep"] = Field(
        default="keep", description="Training rows that share the wording of a test row with other numbers"
    )
    paraphrases: Paraphrases | None = Field(
        default=None, description="Also compare by embeddings, with this model; none: by words only"
    )


class CurateSettings(_Section):
    """What `curate` is asked to make."""

    seed: int = Field(default=0, ge=0, description="Keys the generated problems, the splits and the demonstrations")
    sources: tuple[Source, ...] = Field(min_length=1, description="Where prompts come from")
    fractions: Fractions = Field(default_factory=Fractions, description="Shares of the prompts by split")
    demonstrations: int = Field(
        default=1, ge=1, description="Worked responses per demonstration prompt of a task family"
    )
    max_verifier_errors: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="Share of reference answers on which the verifier may fail before the stage stops",
    )
    too_long: Literal["drop", "refuse"] = Field(
        default="drop",
        description="Prompts that leave no room for a response, and demonstrations the model cannot take",
    )
    near_duplicates: NearDuplicates = Field(default_factory=NearDuplicates)
    decontamination: Decontamination = Field(default_factory=Decontamination)

    @model_validator(mode="after")
    def _splits_can_be_filled(self) -> CurateSettings:
        for i, source in enumerate(self.sources):
            if not self.filled_by(source):
                raise ValueError(f"sources[{i}]: the fractions of its splits {list(source.splits)} are all 0")
        return self

    def filled_by(self, source: Source) -> list[Split]:
        """The splits that prompts of a source go to."""
        if len(source.splits) == 1:
            return list(source.splits)
        return [name for name in source.splits if getattr(self.fractions, name)]
