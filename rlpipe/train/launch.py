"""Several processes for one run: started here through torchrun's rendezvous, watched, and ended together.

The stage holds the artifact's lock and waits; its processes train (`python -m rlpipe.train.launch JOB OUT SCRATCH`).
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from rlpipe.train.run import Job, train


def train_in_processes(job: Job, out: Path, scratch: Path) -> None:
    """`train` in this process, or in as many as `train.processes` asks for.

    Raises: RuntimeError if one of several processes failed; its own words are in the log above.
    """
    if job.settings.processes == 1:
        train(job, out, scratch)
        return
    file = scratch / "job.pickle"
    file.write_bytes(pickle.dumps(job))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    command += [str(job.settings.processes), "-m", "rlpipe.train.launch", str(file), str(out), str(scratch)]
    threads = {"OMP_NUM_THREADS": str(job.settings.threads)}
    done = subprocess.run(command, env={**os.environ, **threads}, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{job.label}: one of its {job.settings.processes} processes ended with an error, and the others were ended "
            f"with it; what it said stands above. The same command goes on from the last checkpoint"
        )


def main() -> None:
    """One of the processes."""
    file, out, scratch = map(Path, sys.argv[1:])
    job: Job = pickle.loads(file.read_bytes())
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        train(job, out, scratch)
        dist.barrier()
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
