rule curate:
    input:
        ancient(settings.files()),
    output:
        touch("<results>/curate.done"),
    log:
        "<logs>/curate.log",
    resources:
        gpu=DEVICES if settings.curate.decontamination.paraphrases else 0,
        mem_mb=1500,
        runtime=60,
    params:
        uses=["curate"],
        code=checkers,
    shell:
        "python -m rlpipe.pipeline.stage {output} --devices {resources.gpu} > {log} 2>&1"


rule data:
    input:
        rules.curate.output,
