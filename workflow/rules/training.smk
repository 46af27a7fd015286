rule sft:
    input:
        "<results>/curate.done",
    output:
        touch("<results>/sft.done"),
    log:
        "<logs>/sft.log",
    benchmark:
        "<logs>/sft.benchmark.tsv"
    threads: settings.sft.threads
    resources:
        mem_mb=1500,
        runtime=240,
    params:
        uses=["portable", "model", "sft"],
        code=[],
        devices=1,
        threads=settings.sft.threads,
    shell:
        "python -m rlpipe.pipeline.stage {output} --devices {params.devices} > {log} 2>&1"


rule train:
    input:
        declared,
        "<results>/curate.done",
        begins_from,
    output:
        touch("<results>/train/{run}/seed-{seed}.done"),
    log:
        "<logs>/train/{run}/seed-{seed}.log",
    benchmark:
        "<logs>/train/{run}/seed-{seed}.benchmark.tsv"
    threads: train_cores
    resources:
        mem_mb=1500,
        runtime=1440,
    params:
        uses=[
            "portable",
            "model",
            "train",
            "environment",
            "runs.{run}.start",
            "runs.{run}.split",
            "runs.{run}.methods",
            "runs.{run}.phases",
            "runs.{run}.train",
            "runs.{run}.plant",
        ],
        code=train_code,
        devices=train_processes,
        threads=train_threads,
    shell:
        "python -m rlpipe.pipeline.stage {output} --devices {params.devices} > {log} 2>&1"


rule training:
    input:
        wanted("train/{run}/seed-{seed}"),
