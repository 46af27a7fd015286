# Read last: what every artifact is made of, read off the rules above, and a flag for each that exists.
MAKERS = {rule.name: rule for rule in workflow.rules if rule.output}

try:
    plan = rlpipe.pipeline.plan.Plan(
        {name: getattr(rules, name) for name in MAKERS},
        config,
        rules.report.output,
        settings.results,
        Code(HOME, memory=rlpipe.pipeline.plan.WORK / "code.json"),
        workflow.overwrite_configfiles,
    )
except ValueError as error:
    raise WorkflowError(str(error))

if elsewhere := plan.sync():
    logger.warning(
        f"{len(elsewhere)} artifacts are recorded but their data is not here: `dvc pull`"
    )


onstart:
    plan.force(workflow.dag_settings)


onsuccess:
    record(plan.specs.values(), workflow=not workflow.config_settings.overwrite_config)


onerror:
    record(
        plan.specs.values(), workflow=not workflow.config_settings.overwrite_config
    )
    logger.error(
        "Not everything is done; what is finished stays. The same command goes on from there, and a stage that was "
        "interrupted resumes from its last checkpoint."
    )
