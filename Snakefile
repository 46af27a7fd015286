# From problems to a report: curate -> sft -> train -> evaluate, contamination, search -> report.
#
#   snakemake --cores all                                      what params.yaml asks for, into results/
#   snakemake --cores all training                             a part of it: data, training
#   snakemake --cores all --configfile studies/entropy.yaml    a study, into results/entropy/
#
# Outputs are flags: results/sft.done stands for the folder results/sft. What it is made of decides whether it is up to
# date, never time; `rlpipe explain results/sft` says why it would be made again.
from snakemake.utils import min_version

min_version("9.27")


# --configfile takes the place of params.yaml: merged into it, a study would inherit every run it does not name.
if not workflow.overwrite_configfiles:

    configfile: "params.yaml"


include: "workflow/rules/common.smk"


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
include: "workflow/rules/search.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"
