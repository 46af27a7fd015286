"""rlpipe: a cached pipeline for reinforcement learning from verifiable rewards.

The map, in reading order:

    types          the data of one step: Prompt, Rollout, Group, Signals, Batch, TokenLoss, Step
    recipe         the slots of a training step; choose / add / load
    methods/       one file per published method: `method(recipe, *, hyperparameters) -> recipe`
    ops/           the pure tensor functions methods are made of
    train/step     the training step, front to back
    engine/        generation behind one protocol
    samplers/ rewards/ curricula/ environments/
                   what slots can be filled with
    tasks/ verifiers/
                   where prompts come from and how answers are checked
    curate/ evaluate/ contamination/ report/
                   the other stages
    stages/        one thin module per rule of the workflow
    config artifacts provenance stage record
                   params.yaml, Parquet schemas, identity of artifacts
    cli            the `rlpipe` command
"""
