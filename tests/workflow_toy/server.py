"""Runs Snakemake and DVC in forks of a process that has imported them once: the same code, a second sooner per call.

Requests and answers are lines of JSON: {"command": [...], "cwd": ..., "env": {...}} -> {"code": 0, "said": ...}.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile

import dvc.cli
import dvc.repo
import snakemake.api
import snakemake.cli
import snakemake.linting.rules
import snakemake.report
import snakemake.workflow

MAINS = {"snakemake": snakemake.cli.main, "dvc": dvc.cli.main}


def child(command: list[str], cwd: str, env: dict[str, str], output: int) -> int:
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = command
    try:
        return int(MAINS[command[0]](command[1:]) or 0)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1


def serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryFile() as file:
            process = os.fork()
            if process == 0:
                code = 1
                with contextlib.suppress(BaseException):
                    code = child(**request, output=file.fileno())
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(code)
            _, status = os.waitpid(process, 0)
            file.seek(0)
            answer = {"code": os.waitstatus_to_exitcode(status), "said": file.read().decode()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
