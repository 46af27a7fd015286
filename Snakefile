# From problems to a report: curate -> sft -> train -> evaluate, contamination -> report.
#
#   snakemake --cores all                                        everything params.yaml asks for, into results/
#   snakemake --cores all --configfile studies/entropy.yaml      a study, into results/entropy/
#   snakemake --cores all training                               a part: data, training
#
# Outputs of rules are flags: results/sft.done stands for the directory results/sft. Whether one is up to date is decided
# by what it is made of, never by time; `rlpipe explain results/sft` says why it would be made again.
from snakemake.utils import min_version

min_version("9.27")


# One file of parameters per call: --configfile takes the place of params.yaml. Merged into it, as Snakemake would,
# a study would inherit every run it does not name.
if not workflow.overwrite_configfiles:

    configfile: "params.yaml"


include: "workflow/rules/common.smk"


pathvars:
    results=settings.results,
    logs=settings.logs,


wildcard_constraints:
    run="[^/]+",
    seed=r"\d+",


# Used with `--software-deployment-method apptainer` only; workflow/rlpipe.def says how to build it.
container: "workflow/rlpipe.sif"


report: "workflow/report/workflow.rst"


rule all:
    input:
        "<results>/report.done",
        page,


include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/contamination.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"
