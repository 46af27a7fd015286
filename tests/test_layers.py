"""The architecture: who may import whom, what reading the Snakefile may load, and how long things may get."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

from rlpipe.pipeline.code_hash import Code, imports
from rlpipe.pipeline.provenance import PLUMBING, STAGES

HOME = Path(__file__).parents[1]
CODE = Code(HOME)
FILES = sorted((HOME / "rlpipe").rglob("*.py"))

# From top to bottom; a module imports from its own layer and from those below it.
LAYERS = (
    {"stages", "commands"},
    {"train", "evaluate", "search", "contamination", "curate", "report"},
    {"methods"},
    {"recipe", "phases"},
    {"samplers", "curricula", "rewards", "environments", "engine", "policy"},
    {"verifiers", "tasks", "overlap", "statistics"},
    {"ops"},
    {"types"},
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
# Between rooms of the second layer, in one direction each; everything else they share stands below them.
SIDEWAYS = {
    "contamination": {"curate.files.texts", "evaluate.metric_row", "evaluate.problems"},
    "search": {"evaluate.metric_row"},
    "report": {
        "contamination.clean_score",
        "contamination.members.power",
        "contamination.probes.detector_metrics",
        "contamination.probes.detectors",
        "contamination.verdict",
        "evaluate.compare.before_after",
        "evaluate.metric_row",
        "evaluate.problems",
        "evaluate.settings",
        "search.metrics",
        "search.settings",
    },
}
# Any of the upper layers may use these; they use no layer but `types` and each other.
SHARED = {"artifacts", "models", "prompts", "params"}
# What moves artifacts and reads parameters; stages see `stage` and `progress` of it.
AROUND = {"pipeline", "progress"}
LIGHT = (
    *(
        f"pipeline.{name}"
        for name in ("plan", "provenance", "code_hash", "stage", "record", "explain", "prune", "accept")
    ),
    "pipeline.devices",
    "params.config",
    "commands.app",
)
WHOLE = ("rlpipe.params.config", "rlpipe.params.between_sections")
HEAVY = ("torch", "transformers", "polars", "pyarrow", "numpy", "scipy", "networkx", "altair")


def module(file: Path) -> str:
    return ".".join(file.relative_to(HOME).with_suffix("").parts).removesuffix(".__init__")


def targets(name: str) -> Iterator[str]:
    """Modules of the package that a module imports, inside functions and for type checkers too; not their packages."""
    path = CODE.path(name)
    assert path is not None
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("rlpipe."))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative imports hide where things are"
            base = node.module or ""
            if base.partition(".")[0] == "rlpipe":
                inner = (f"{base}.{alias.name}" for alias in node.names)
                yield from (module if CODE.path(module) else base for module in inner)


def part(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


EDGES = [(name, target) for name in map(module, FILES) for target in targets(name)]


def test_imports_point_downwards() -> None:
    wrong = [
        (name, target)
        for name, target in EDGES
        if part(name) in RANK and part(target) in RANK and RANK[part(target)] < RANK[part(name)]
    ]
    assert wrong == []


def test_imports_between_rooms_of_the_second_layer_are_those_listed() -> None:
    found: dict[str, set[str]] = {}
    for name, target in EDGES:
        room, other = part(name), part(target)
        if room != other and {room, other} <= LAYERS[1]:
            found.setdefault(room, set()).add(target.removeprefix("rlpipe."))
    assert found == SIDEWAYS
    assert nx.is_directed_acyclic_graph(nx.DiGraph((r, t.partition(".")[0]) for r in found for t in found[r]))


def test_no_import_goes_in_a_circle() -> None:
    # Those inside functions and for type checkers count too.
    graph = nx.DiGraph(EDGES)
    circles = [sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1]
    assert circles == []


def test_every_module_has_its_place() -> None:
    parts = {part(module(file)) for file in FILES} - {""}
    assert parts - set(RANK) - SHARED - AROUND == set()


def test_what_is_shared_uses_no_layer() -> None:
    # But for those that read params.yaml as a whole: they know the settings of every stage.
    below = SHARED | {"types", "ops", "progress", ""}
    shared = [(n, t) for n, t in EDGES if part(n) in SHARED and n not in WHOLE]
    assert [(n, t) for n, t in shared if part(t) not in below] == []


def test_methods_do_not_know_the_trainer_and_the_trainer_knows_no_method() -> None:
    assert [(n, t) for n, t in EDGES if part(n) == "methods" and part(t) == "train"] == []
    assert [(n, t) for n, t in EDGES if part(n) == "train" and part(t) == "methods"] == []


def test_methods_do_not_know_each_other() -> None:
    # A method that builds on another says so in its recipe; one file each is what keeps their keys apart.
    pairs = [
        (n, t) for n, t in EDGES if part(n) == "methods" and part(t) == "methods" and "." in t.removeprefix("rlpipe.")
    ]
    assert pairs == []


def test_operations_are_pure() -> None:
    assert [(n, t) for n, t in EDGES if part(n) == "ops" and part(t) not in ("ops", "types")] == []


def test_stages_do_not_read_the_settings_of_others() -> None:
    # A default of one stage must not be part of another's key. The shape of the model is everybody's.
    shared = {"rlpipe.params.model_settings", "rlpipe.environments.settings"}
    own = {stage: {f"rlpipe.{stage}.settings", *shared} for stage in STAGES}
    own["sft"] = {"rlpipe.train.sft.settings", *shared}
    for stage in STAGES:
        closure = CODE.closure([f"rlpipe.stages.{stage}"], leave_out=PLUMBING)
        assert "rlpipe.params.config" not in closure, stage
        if stage != "report":  # it comes after all others, whatever they read
            assert {m for m in closure if m.endswith("settings")} <= own[stage], stage


@pytest.mark.parametrize("name", LIGHT)
def test_reading_the_snakefile_and_starting_a_job_load_nothing_heavy(name: str) -> None:
    script = f"import sys, rlpipe.{name}; print(*(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=HOME, text=True, capture_output=True, check=True)
    assert done.stdout.split() == []


def test_the_report_does_without_torch() -> None:
    # Nothing runs beside it, and torch alone would be a tenth of its time.
    script = "import sys, rlpipe.stages.report; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=HOME, text=True, capture_output=True, check=True)
    assert done.stdout.split() == ["False"]


def test_checking_methods_loads_nothing_heavy() -> None:
    script = (
        "import sys; from rlpipe.params.signatures import check_methods; check_methods(['grpo']);"
        f"print(*(m for m in {HEAVY!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=HOME, text=True, capture_output=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", ["code_hash", "provenance", "plan", "scratch", "import_guard", "devices", "stage"])
def test_provenance_uses_the_standard_library_alone(name: str) -> None:
    tree = ast.parse((HOME / "rlpipe" / "pipeline" / f"{name}.py").read_text())
    roots = {base.partition(".")[0] for _, base, _ in imports(tree)}
    assert roots - set(sys.stdlib_module_names) <= {"rlpipe"}


def test_rooms_stay_small() -> None:
    # Methods, sections of the report and tests are lists: they grow by one file each.
    rooms = {file.parent for file in FILES} - {HOME / "rlpipe" / "methods", HOME / "rlpipe" / "report" / "sections"}
    crowded = {str(r): n for r in rooms if (n := sum(f.name != "__init__.py" for f in r.glob("*.py"))) > 14}
    assert crowded == {}


def test_files_stay_short() -> None:
    files = [*FILES, *(HOME / "benchmarks").rglob("*.py"), *(HOME / "tests").rglob("*.py")]
    assert {str(f.relative_to(HOME)): n for f in files if (n := len(f.read_text().splitlines())) > 300} == {}


def test_functions_stay_short() -> None:
    lengths = {
        f"{module(file)}.{node.name}": length(node)
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: n for name, n in lengths.items() if n > 45} == {}
    median = statistics.median(lengths.values())
    print(f"{len(lengths)} functions, median {median:g} lines")
    assert median <= 8


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without its docstring."""
    body = node.body[ast.get_docstring(node) is not None :]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
