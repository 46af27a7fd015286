"""rlpipe: a cached pipeline for reinforcement learning from verifiable rewards.

The map, in reading order:

    types          the data of one step: Prompt, Rollout, Group, Signals, Batch, TokenLoss, Step
    recipe phases  the slots of a training step: choose / add / load; stacks that take over from each other
    methods/       one file per published method: `method(recipe, *, hyperparameters) -> recipe`
    ops/           the pure tensor functions methods are made of
    train/step     the training step, front to back
    policy/        a causal language model as a function of tokens
    engine/        generation behind one protocol
    samplers/ rewards/ curricula/ environments/
                   what slots can be filled with
    tasks/ verifiers/
                   where prompts come from and how answers are checked
    curate/ overlap/
                   prompts as they are trained on; whether two of them are the same problem
    evaluate/ search/ contamination/ report/
                   the other stages
    statistics/    intervals, tests, pass@k, votes, AUC: numbers in, numbers out
    artifacts models prompts progress
                   Parquet schemas, model folders, prompts out of tables, what a job says of itself
    params/        params.yaml as a whole, and what methods take
    pipeline/      identity of artifacts: keys, plan, receipts, what a stage runs in
    stages/        one thin module per rule of the workflow
    commands/      the `rlpipe` command
"""
