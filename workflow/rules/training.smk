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
        gpu=DEVICES,
        mem_mb=1500,
        runtime=240,
    params:
        uses=["model", "sft"],
        code=[],
        threads=settings.sft.threads,
    shell:
        "python -m rlpipe.pipeline.stage {output} --devices {resources.gpu} > {log} 2>&1"


rule train:
    input:
        declared,
        "<results>/curate.done",
        "<results>/sft.done",
    output:
        touch("<results>/train/{run}/seed-{seed}.done"),
    log:
        "<logs>/train/{run}/seed-{seed}.log",
    benchmark:
        "<logs>/train/{run}/seed-{seed}.benchmark.tsv"
    threads: train_threads
    resources:
        gpu=DEVICES,
        mem_mb=1500,
        runtime=1440,
    params:
        uses=[
            "model",
            "train",
            "runs.{run}.methods",
            "runs.{run}.phases",
            "runs.{run}.train",
            "runs.{run}.plant",
        ],
        code=methods_and_checkers,
        threads=train_threads,
    shell:
        "python -m rlpipe.pipeline.stage {output} --devices {resources.gpu} > {log} 2>&1"


rule training:
    input:
        wanted("train/{run}/seed-{seed}"),
