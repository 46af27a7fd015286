"""What params.yaml may say, and what is said of it when it may not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rlpipe.params.config import ConfigError, load

HOME = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "curate": {"sources": [{"task": "expression", "levels": {"easy": 10}}]},
    "runs": {"grpo": {"seeds": [0, 1], "methods": ["grpo"]}},
}
LAST = {"methods": ["grpo"]}
Change = Callable[[dict[str, Any]], Any]


def put(path: str, value: Any) -> Change:
    """Set `curate.sources.0.levels`, say."""

    def change(config: dict[str, Any]) -> None:
        *above, last = path.split(".")
        node: Any = config
        for part in above:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        node[int(last) if isinstance(node, list) else last] = value

    return change


WRONG: dict[str, tuple[Change, str]] = {
    "unknown key": (put("train.learnin_rate", 1), "train.learnin_rate: unknown key; did you mean 'learning_rate'?"),
    "unknown section": (put("trian", {}), "trian: unknown key; did you mean 'train'?"),
    "key of a source": (
        put("curate.sources.0.level", {}),
        "curate.sources[0].level: unknown key; did you mean 'levels'? (valid: levels, splits, task)",
    ),
    "key of a run": (put("runs.grpo.method", []), "runs.grpo.method: unknown key; did you mean 'methods'?"),
    "missing section": (lambda c: c.pop("runs"), "runs: missing; it has no default"),
    "out of range": (put("train.steps", 0), "train.steps = 0: input should be greater than or equal to 1"),
    "wrong type": (put("train.steps", "many"), 'train.steps = "many": input should be a valid integer'),
    "number read as text": (
        put("train.learning_rate", "2e-4"),
        "train.learning_rate = 2e-4: YAML reads this as text, not as a number; write 2.0e-4",
    ),
    "number read as text in a list": (
        put("runs.grpo.methods", [{"grpo": {"clip_low": "1e3"}}]),
        "runs.grpo.methods[0].grpo.clip_low = 1e3: YAML reads this as text, not as a number; write 1.0e+3",
    ),
    "key of search": (put("search.budget", [4]), "search.budget: unknown key; did you mean 'budgets'?"),
    "unknown run of search": (put("search.runs", ["grp"]), "search.runs names grp: no such run; did you mean 'grpo'?"),
    "unknown search": (put("search.methods", ["beams"]), "search.methods: beams: name each of best_of_n"),
    "unknown method": (put("runs.grpo.methods", ["grpoo"]), "runs.grpo.methods: unknown method 'grpoo'"),
    "unknown method of a phase": (
        put("runs.x", {"seeds": [0], "phases": [{"methods": ["grpo"], "until": 0.5}, {"methods": ["none"]}]}),
        "runs.x.phases[1].methods: unknown method 'none'",
    ),
    "unknown hyperparameter": (put("runs.grpo.methods", [{"grpo": {"clipp": 1}}]), "has no hyperparameter 'clipp'"),
    "override out of range": (put("runs.grpo.train", {"steps": 0}), "runs.grpo.train.steps = 0: input should be"),
    "unknown family": (
        put("curate.sources.0.task", "expresion"),
        "curate.sources[0].task = expresion: no such family; did you mean 'expression'?",
    ),
    "unknown level": (
        put("curate.sources.0.levels", {"esy": 3}),
        "curate.sources[0].levels.esy: expression has no such level; did you mean 'easy'?",
    ),
    "missing file": (
        lambda c: c["curate"]["sources"].append({"path": "none.jsonl"}),
        "curate.sources[1].path = none.jsonl: no such file, nor a pointer none.jsonl.dvc to pull it by",
    ),
    "verifier of a file": (
        lambda c: c["curate"]["sources"].append({"path": "none.jsonl", "data_source": "rlpipe/non"}),
        "curate.sources[1].data_source = rlpipe/non: no such family",
    ),
    "pattern without a file": (
        lambda c: c["curate"]["sources"].append({"path": "none/*.jsonl"}),
        "curate.sources[1].path: none/*.jsonl: no file matches",
    ),
    "folder without a table": (
        lambda c: c["curate"]["sources"].append({"path": str(HOME / "profiles")}),
        "profiles: holds no file that can be read; name those to read by a pattern",
    ),
    "unknown layout": (
        lambda c: c["curate"]["sources"].append({"path": "none.jsonl", "format": "gsm"}),
        "curate.sources[1].format = \"gsm\": format 'gsm' is not one of auto, rlpipe, agieval",
    ),
    "warm-up without a split": (
        put("curate.sources.0.splits", ["train", "probe", "test"]),
        "sft.steps = 1200, split = demonstration: this split gets no prompts; name it among the `splits` of one of",
    ),
    "run without a split": (
        put("curate.fractions", {"demonstration": 0.5, "train": 0, "probe": 0.25, "test": 0.25}),
        "runs.grpo.split = train: this split gets no prompts; give it a share: curate.fractions.train",
    ),
    "unknown split": (
        put("evaluate", {"split": "tests"}),
        "evaluate.split = tests: no such split; did you mean 'test'?",
    ),
    "search without a split": (
        lambda c: c.update(search={"split": "validation"}),
        "search.split = validation: no such split (valid: demonstration, train, probe, test)",
    ),
    "contamination without non-members": (
        put("curate.fractions", {"demonstration": 0.5, "train": 0.25, "probe": 0, "test": 0.25}),
        "contamination.nonmember_split = probe: this split gets no prompts; give it a share: curate.fractions.probe",
    ),
    "contamination without a benchmark": (
        put("curate.sources.0.splits", ["demonstration", "train", "probe"]),
        "contamination.benchmark_split = test: this split gets no prompts; name it among",
    ),
    "two kinds of source": (
        lambda c: c["curate"]["sources"][0].update(path="x"),
        "curate.sources[0]: a source has exactly one of the keys task, reasoning_gym, path",
    ),
    "seed twice": (put("runs.grpo.seeds", [0, 0]), "runs.grpo.seeds = [0, 0]: seeds are different whole numbers"),
    "name of a run": (put("runs.sft", {"seeds": [0], "methods": ["grpo"]}), "runs.sft: use lower-case letters"),
    "name of a study": (put("study", "train"), "study = train: use lower-case letters"),
    "baseline that is no run": (
        put("report.baseline", "gro"),
        "report.baseline = gro: no such run; did you mean 'grpo'?",
    ),
    "directory that is not there": (put("model.path", "./none"), "model.path = ./none: no such directory"),
    "phases out of order": (
        put("runs.x", {"seeds": [0], "phases": [{"methods": ["grpo"], "until": u} for u in (0.6, 0.4)] + [LAST]}),
        "runs.x.phases: phase 1: until = 0.4 must be a share of the run, above 0.6 and below 1",
    ),
    "marker that is not taught": (
        put("contamination.second_response", {"kind": "marker"}),
        "contamination.second_response.kind = marker: the warm-up does not teach the word 'otherwise' "
        "(sft.second_share = 0); set sft.second_share to 0.1, or the kind to critique",
    ),
    "marker other than the one taught": (
        lambda c: c.update(
            sft={"second_share": 0.1, "second_marker": "again"}, contamination={"second_response": {"kind": "marker"}}
        ),
        "contamination.second_response.marker = otherwise: the warm-up teaches 'again' (sft.second_marker); make the two",
    ),
    "start that is no run": (
        put("runs.grpo.start", "train/gpro"),
        "runs.grpo: train/gpro names no run",
    ),
    "start with a seed that is not made": (
        put("runs.x", {"seeds": [7], "methods": ["grpo"], "start": "train/grpo"}),
        "runs.x: train/grpo needs seed 7 of grpo; add it to runs.grpo.seeds",
    ),
    "start that is no artifact": (put("runs.grpo.start", "evaluate/grpo"), "runs.grpo.start"),
    "runs that begin from each other": (
        lambda c: c["runs"].update(
            a={"seeds": [0], "methods": ["grpo"], "start": "train/b"},
            b={"seeds": [0], "methods": ["grpo"], "start": "train/a/seed-0"},
        ),
        "runs.a: begins, in the end, from itself (train/a/seed-0); give one of the runs another start",
    ),
    "split that must stay untrained": (
        put("runs.grpo.split", "probe"),
        "runs.grpo.split = probe: these prompts have to stay untrained, as contamination.nonmember_split compares",
    ),
    "unknown environment": (
        put("environment", {"name": "calculater"}),
        "environment.name = calculater: no such environment; did you mean 'calculator'?",
    ),
    "steps of a search in conversations": (
        lambda c: c.update(environment={"name": "calculator"}, search={"methods": ["beam", "weighted_vote"]}),
        "search.methods = ['beam']: these grow one turn step by step, and with an environment a response has several",
    ),
    "date": (put("report.title", __import__("datetime").date(2026, 1, 1)), "report: holds a value that is no text"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_named_with_file_key_value_and_remedy(mistake: str) -> None:
    change, message = WRONG[mistake]
    config = copy.deepcopy(SMALL)
    change(config)
    with pytest.raises(ConfigError) as error:
        load(config, "my.yaml")
    assert any(line.startswith("my.yaml: ") and message in line for line in str(error.value).splitlines()), error.value


def test_every_mistake_is_told_at_once() -> None:
    config = {**copy.deepcopy(SMALL), "train": {"steps": 0, "prompt": 1}, "sft": {"stepps": 1}}
    with pytest.raises(ConfigError) as error:
        load(config)
    assert len(str(error.value).splitlines()) == 3


def test_a_model_needs_its_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    config = {**SMALL, "model": {"path": str(tmp_path)}}
    with pytest.raises(ConfigError, match=r"holds no tokenizer; save it there too, with `tokenizer\.save_pretrained`"):
        load(config)
    (tmp_path / "tokenizer.json").touch()
    assert load(config).model.path == str(tmp_path)
    assert load({**SMALL, "model": {"path": "org/model"}}).model.path == "org/model"


def test_a_marker_may_come_with_the_model_or_from_the_warm_up() -> None:
    asked = {"contamination": {"second_response": {"kind": "marker", "marker": "again"}}}
    assert load({**SMALL, **asked, "model": {"path": "org/model"}}).sft.second_share == 0
    taught = {"second_share": 0.1, "second_marker": "again"}
    assert load({**SMALL, **asked, "sft": taught}).contamination.second_response.marker == "again"


def test_a_split_that_nobody_needs_may_be_empty() -> None:
    fractions = {"demonstration": 0, "train": 0.5, "probe": 0.25, "test": 0.25}
    unwarmed = {"curate": {**SMALL["curate"], "fractions": fractions}, "sft": {"steps": 0}, "runs": SMALL["runs"]}
    assert load(unwarmed).sft.steps == 0
    pinned = [{**SMALL["curate"]["sources"][0], "split": name} for name in ("demonstration", "train", "probe", "test")]
    one_each = {"sources": pinned, "fractions": {"demonstration": 1, "train": 0, "probe": 0, "test": 0}}
    assert load({**SMALL, "curate": one_each}).files() == []


def test_a_study_has_folders_of_its_own() -> None:
    assert (load(SMALL).results, load(SMALL).logs) == ("results", "logs")
    study = load({**SMALL, "study": "entropy"})
    assert (study.results, study.logs) == ("results/entropy", "logs/entropy")


def test_what_is_loaded_by_name_is_known_from_the_parameters(tmp_path: Path) -> None:
    assert load(SMALL).checkers() == ["rlpipe.tasks.expression"]
    file = tmp_path / "x.jsonl"
    file.touch()
    sources = [{"reasoning_gym": "chain_sum", "size": 3}, {"path": str(file), "format": "gsm8k"}]
    params = load({**SMALL, "curate": {"sources": sources}})
    assert params.checkers() == ["rlpipe.tasks.reasoning_gym", "rlpipe.verifiers.code"]
    assert params.files() == [str(file)]
    (tmp_path / "y.jsonl").touch()
    for path in (f"{tmp_path}/*.jsonl", str(tmp_path)):  # the files of a pattern, a folder as a whole
        sources = [{"path": path, "format": "gsm8k"}, {"path": str(file), "format": "gsm8k"}]
        found = load({**SMALL, "curate": {"sources": sources}}).files()
        assert found == ([str(file), f"{tmp_path}/y.jsonl"] if "*" in path else [str(tmp_path), str(file)])
    named = [{"path": str(file), "columns": {"prompt": "q", "answer": "a", "source": "s"}, "format": "math"}]
    assert "rlpipe.tasks.countdown" in load({**SMALL, "curate": {"sources": named}}).checkers()
    sources = [{"path": str(file), "format": "verl"}]  # its rows may be of any source
    assert {"rlpipe.tasks.countdown", "rlpipe.tasks.graph"} <= set(
        load({**SMALL, "curate": {"sources": sources}}).checkers()
    )
    phases = [{"methods": ["grpo", "clip_cov"], "until": 0.5}, {"methods": ["rloo"]}]
    assert load({**SMALL, "runs": {"x": {"seeds": [0], "phases": phases}}}).methods("x") == ["grpo", "clip_cov", "rloo"]


def test_a_run_may_override_threads_and_the_rule_knows() -> None:
    runs = {"x": {"seeds": [0], "methods": ["grpo"], "train": {"threads": 3}}, **SMALL["runs"]}
    params = load({**SMALL, "runs": runs})
    assert [params.train_settings(run).threads for run in ("x", "grpo")] == [3, 1]


@pytest.mark.parametrize(
    "file", sorted({HOME / "params.yaml", *HOME.glob("tests/params*.yaml"), *HOME.glob("studies/*.yaml")})
)
def test_the_parameters_in_the_project_can_be_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HOME)
    params = load(yaml.safe_load(file.read_text()), str(file))
    if file.parent.name == "studies":
        assert params.study, "a study must not write into results/ itself"


def test_the_entropy_study_is_the_default_experiment_with_more_runs() -> None:
    default, study = (yaml.safe_load((HOME / file).read_text()) for file in ("params.yaml", "studies/entropy.yaml"))
    default["train"].pop("snapshots")  # the study is about where runs end
    for section in ("curate", "model", "sft", "train", "evaluate"):
        assert study[section] == default[section], section
    for name, run in default["runs"].items():
        assert study["runs"][name] == run | {"seeds": [0, 1, 2, 3, 4]}


def test_searches_are_asked_for_by_their_section() -> None:
    config = copy.deepcopy(SMALL) | {"runs": {"b": {"seeds": [3, 1], "methods": ["grpo"]}, **SMALL["runs"]}}
    assert load(config).searches() == []
    assert load(config | {"search": None}).searches() == []
    assert load(config | {"search": {}}).searches() == ["search/sft", "search/b/seed-3", "search/grpo/seed-0"]
    assert load(config | {"search": {"seeds": 0}}).searches() == ["search/sft"]
    both = load(config | {"search": {"seeds": 5, "runs": ["grpo"]}}).searches()
    assert both == ["search/sft", "search/grpo/seed-0", "search/grpo/seed-1"]
