rule curate:
    input:
        ancient(settings.files()),
    output:
        touch("<results>/curate.done"),
    log:
        "<logs>/curate.log",
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        uses=[
            "curate",
            "model.path",
            "model.max_length",
            "train.max_new_tokens",
            "evaluate.max_new_tokens",
            "search.max_new_tokens",
        ],
        code=checkers,
        devices=1 if settings.curate.decontamination.paraphrases else 0,
    shell:
        "python -m rlpipe.pipeline.stage {output} --devices {params.devices} > {log} 2>&1"


rule data:
    input:
        rules.curate.output,
