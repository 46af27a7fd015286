"""Where every number comes from: artifacts, machines, what runs resolved to."""

from __future__ import annotations

from pathlib import Path

from rlpipe import artifacts
from rlpipe.report.inputs import Data
from rlpipe.report.sections import provenance
from rlpipe.report.settings import ReportSettings
from tests.report.conftest import Made
from tests.report.test_sections import table, text


def test_provenance_has_a_row_per_artifact(made: Made) -> None:
    found = table(made.sections["provenance"], "provenance")
    assert found.numbers is not None
    assert found.numbers["artifact"].to_list() == sorted(made.inputs)
    assert found.numbers["key"].str.len_chars().min() == 64
    assert all(len(row[1].title) == 64 and len(row[1].text) < 40 for row in found.rows)
    said = text(made.sections["provenance"])
    assert "2 cores of some processor, 17.2 GB memory, Linux x86_64, no accelerator used" in said
    assert "torch\u00a02.13.0" in said
    assert "vllm" not in said
    stack = table(made.sections["provenance"], "runs").rows
    assert [row[1].text for row in stack] == ["grpo", "grpo", "grpo, clip_cov (fraction 0.005)"]
    assert stack[1][2].text == "learning_rate 0.0003"


def test_artifacts_without_receipts_are_no_error(inputs: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    section = provenance.build(Data({"curate": tmp_path / "bare"}, ReportSettings()))
    assert "No artifact records the machine" in text(section)


def test_machines_and_versions_that_differ_are_named(tmp_path: Path) -> None:
    found = {}
    for name, cores, torch in (("curate", 2, "2.13"), ("sft", 4, "2.14")):
        root = found[name] = tmp_path / name
        root.mkdir()
        artifacts.write_json(root / "environment.json", {"machine": {"cores": cores}, "versions": {"torch": torch}})
    data = Data(found, ReportSettings())
    assert "2 kinds of machine, so their times do not compare" in provenance.machines(data)
    assert "torch\u00a02.13 and 2.14" in provenance.versions(data)
    assert "1 package differs between artifacts: torch" in provenance.versions(data)


def test_provenance_shows_what_was_resolved_and_which_method_changed_which(made: Made) -> None:
    methods = table(made.sections["provenance"], "methods-resolved").numbers
    assert methods is not None
    said = {row["run"]: (row["methods"], row["changes"]) for row in methods.iter_rows(named=True)}
    assert said["clip_cov"] == (
        "grpo (reduction token); clip_cov (fraction 0.005)",
        "clip_cov wraps grpo's policy_loss",
    )
    assert said["grpo"][1] == ""
    settings = table(made.sections["provenance"], "settings-resolved")
    marked = {row[0].text for row in settings.rows if any(cell.tone == "mark" for cell in row)}
    assert marked == {"<code>learning_rate</code>"}
