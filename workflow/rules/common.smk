# What the rules compute: parameters, wanted artifacts, modules loaded by name.
import os
import sys
from pathlib import Path
from shlex import quote

from snakemake.exceptions import WorkflowError
from snakemake.io import report as attach
from snakemake.logging import logger

HOME = Path(workflow.basedir)
# Keys cover the code beside the Snakefile, so that code and no other has to run, here and in the jobs.
sys.path.insert(0, str(HOME))
shell.prefix(
    f"export PATH={quote(str(Path(sys.executable).parent))}:$PATH PYTHONPATH={quote(str(HOME))} PYTHONHASHSEED=0; "
)

import rlpipe.params.config
import rlpipe.pipeline.plan
from rlpipe.pipeline.code_hash import Code
from rlpipe.pipeline.record import record

PARAMS_FILE = ", ".join(map(str, workflow.overwrite_configfiles)) or "params.yaml"

CAPTIONS = {
    "Report": workflow.current_basedir.join("../report/page.rst"),
    "Figures": workflow.current_basedir.join("../report/figure.rst"),
}

try:
    settings = rlpipe.params.config.load(config, PARAMS_FILE, HOME)
except rlpipe.params.config.ConfigError as error:
    raise WorkflowError(str(error))


SEARCH_THREADS = settings.search.threads if settings.search else 1


pathvars:
    results=settings.results,
    logs=settings.logs,


def wanted(pattern):
    """A flag per run and seed: `wanted("train/{run}/seed-{seed}")`."""
    runs = settings.runs.items()
    names = [pattern.format(run=r, seed=s) for r, run in runs for s in run.seeds]
    return [f"{settings.results}/{name}.done" for name in names]


def declared(wildcards):
    """No input, but an error for a run or seed that params.yaml does not declare."""
    run, seed = wildcards.run, wildcards.seed
    if run not in settings.runs:
        raise ValueError(
            f"run {run} is not declared: add it under `runs` in {PARAMS_FILE}, which has {', '.join(settings.runs)}"
        )
    if seed not in map(str, settings.runs[run].seeds):
        raise ValueError(
            f"seed {seed} of run {run} is not declared: add it to runs.{run}.seeds in {PARAMS_FILE}, which has "
            f"{settings.runs[run].seeds}"
        )
    return []


def searched(wildcards):
    """No input, but an error for a search that params.yaml does not ask for."""
    if settings.search is None:
        raise ValueError(
            f"nothing is searched: add a section `search` to {PARAMS_FILE}; `search: {{}}` takes its defaults"
        )
    run = getattr(wildcards, "run", None)
    name = f"search/{run}/seed-{wildcards.seed}" if run else "search/sft"
    if name not in settings.searches():
        raise ValueError(
            f"{name} is not asked for: name the run in search.runs, or raise search.seeds, in {PARAMS_FILE}"
        )
    return []


def checkers(wildcards):
    """Modules loaded by the name of a prompt's source: task families and verifiers."""
    return settings.checkers()


def checkers_and_environment(wildcards):
    """Those, and what answers back between the policy's turns."""
    return settings.checkers() + settings.environment_code()


def train_code(wildcards):
    """Those, and the methods of the run."""
    names = [f"rlpipe.methods.{name}" for name in settings.methods(wildcards.run)]
    return names + checkers_and_environment(wildcards)


def begins_from(wildcards):
    """Artifacts that a run begins from or its methods name."""
    declared(wildcards)
    inputs = settings.runs[wildcards.run].inputs(int(wildcards.seed)).values()
    return [f"{settings.results}/{name}.done" for name in dict.fromkeys(inputs)]


def train_threads(wildcards):
    """Threads of one process of a run."""
    return settings.train_settings(wildcards.run).threads


def train_processes(wildcards):
    return settings.train_settings(wildcards.run).processes


def train_cores(wildcards):
    return train_threads(wildcards) * train_processes(wildcards)


def page(wildcards):
    """The finished page and its figures, for `snakemake --report`; nothing to wait for."""
    base = Path(settings.results, "report")
    figures = sorted(base.glob("figures/*.svg"))
    shown = [("Report", base / "report.html"), *(("Figures", file) for file in figures)]
    return [
        attach(str(file), CAPTIONS[kind], category=kind, labels={"file": file.name})
        for kind, file in shown
        if file.is_file()
    ]
