rule evaluate:
    input:
        declared,
        "<results>/curate.done",
        "<results>/train/{run}/seed-{seed}.done",
    output:
        touch("<results>/evaluate/{run}/seed-{seed}.done"),
    log:
        "<logs>/evaluate/{run}/seed-{seed}.log",
    threads: settings.evaluate.threads
    resources:
        mem_mb=1500,
        runtime=240,
    params:
        uses=["portable", "evaluate", "environment"],
        code=checkers_and_environment,
        devices=1,
        threads=settings.evaluate.threads,
    shell:
        "python -m rlpipe.pipeline.stage {output} --devices {params.devices} > {log} 2>&1"


use rule evaluate as evaluate_sft with:
    input:
        "<results>/curate.done",
        "<results>/sft.done",
    output:
        touch("<results>/evaluate/sft.done"),
    log:
        "<logs>/evaluate/sft.log",
