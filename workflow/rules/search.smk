# Made only where params.yaml has a section `search`.
rule search:
    input:
        declared,
        searched,
        "<results>/curate.done",
        "<results>/train/{run}/seed-{seed}.done",
    output:
        touch("<results>/search/{run}/seed-{seed}.done"),
    log:
        "<logs>/search/{run}/seed-{seed}.log",
    threads: SEARCH_THREADS
    resources:
        mem_mb=1500,
        runtime=240,
    params:
        uses=["portable", "search", "environment"],
        code=checkers_and_environment,
        devices=1,
        threads=SEARCH_THREADS,
    shell:
        "python -m rlpipe.pipeline.stage {output} --devices {params.devices} > {log} 2>&1"


use rule search as search_sft with:
    input:
        searched,
        "<results>/curate.done",
        "<results>/sft.done",
    output:
        touch("<results>/search/sft.done"),
    log:
        "<logs>/search/sft.log",
