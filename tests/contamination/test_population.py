"""Who is probed of a run: whatever it was trained on, from whichever split, against what it was not."""

from __future__ import annotations

from pathlib import Path

from rlpipe import artifacts
from rlpipe.contamination.members.membership import Exposure, Trained
from rlpipe.contamination.probes.detectors import MEMBER, NONMEMBER
from rlpipe.contamination.settings import ContaminationSettings
from rlpipe.stages.contamination import population
from tests.contamination.test_stage_contamination import problems
from tests.contamination.toy import prompt_row


def test_trained_prompts_are_members_wherever_they_come_from(tmp_path: Path) -> None:
    prompts = problems(12, seed=2)
    splits = ["demonstration"] * 4 + ["train"] * 4 + ["probe"] * 4
    rows = [prompt_row(p, split) for p, split in zip(prompts, splits, strict=True)]
    artifacts.write(tmp_path / "prompts.parquet", artifacts.PROMPTS, rows)
    trained = [prompts[0], prompts[1], prompts[8]]  # two demonstrations, and one of those held out
    met = Trained({p.id: Exposure(1, 1) for p in trained}, 3)
    settings = ContaminationSettings(prompts_per_class=6, nonmember_split="probe")
    found = population(tmp_path / "prompts.parquet", met, None, 0, settings)
    members = {p.prompt.id for p in found if p.role == MEMBER}
    nonmembers = {p.prompt.id for p in found if p.role == NONMEMBER}
    assert members == {p.id for p in trained}
    assert nonmembers == {p.id for p in prompts[9:]}
