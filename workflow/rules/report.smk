rule report:
    input:
        "<results>/curate.done",
        "<results>/sft.done",
        "<results>/evaluate/sft.done",
        wanted("train/{run}/seed-{seed}"),
        wanted("evaluate/{run}/seed-{seed}"),
        wanted("contamination/{run}/seed-{seed}"),
        [f"<results>/{name}.done" for name in settings.searches()],
    output:
        touch("<results>/report.done"),
    log:
        "<logs>/report.log",
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        uses=["report"],
        code=[],
    shell:
        "python -m rlpipe.pipeline.stage {output} > {log} 2>&1"
