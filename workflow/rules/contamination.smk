rule contamination:
    input:
        declared,
        "<results>/curate.done",
        "<results>/sft.done",
        "<results>/train/{run}/seed-{seed}.done",
    output:
        touch("<results>/contamination/{run}/seed-{seed}.done"),
    log:
        "<logs>/contamination/{run}/seed-{seed}.log",
    threads: settings.contamination.threads
    resources:
        mem_mb=1500,
        runtime=240,
    params:
        uses=["portable", "contamination", "runs.{run}.plant", "runs.{run}.split"],
        code=checkers,
        devices=1,
        threads=settings.contamination.threads,
    shell:
        "python -m rlpipe.pipeline.stage {output} --devices {params.devices} > {log} 2>&1"
