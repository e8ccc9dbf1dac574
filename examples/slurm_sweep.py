"""A sweep on a SLURM cluster: dask-jobqueue asks for the workers, giantstep sends them the units.

    pip install "giantstep[slurm]"
    python examples/slurm_sweep.py experiment.toml --jobs 20 --queue short   # on the login node; runs until all is stored
    python examples/slurm_sweep.py experiment.toml --print                   # only the job script

Every finished unit is in the store at once (keep it on a local disk of the login node): started again, the same line
computes what is missing. A job that ends in the middle of a unit costs that unit alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dask_jobqueue import SLURMCluster

from asymptotics import Experiment, sweep


def cluster(queue: str | None = None, memory: str = "4 GB", walltime: str = "02:00:00") -> Any:
    """Jobs of one core with one worker each: a unit of a sweep uses one BLAS thread."""
    return SLURMCluster(
        queue=queue,
        cores=1,
        processes=1,
        memory=memory,
        walltime=walltime,
        job_name="giantstep",
        job_script_prologue=["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1"],
        scheduler_options={"dashboard_address": None},
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="the experiment file")
    parser.add_argument("--jobs", type=int, default=10, help="jobs at a time")
    parser.add_argument("--queue", help="the partition")
    parser.add_argument("--memory", default="4 GB", help="of one job; at least simulation.memory")
    parser.add_argument("--walltime", default="02:00:00", help="of one job")
    parser.add_argument("--print", action="store_true", help="print the job script and submit nothing")
    given = parser.parse_args(arguments)
    experiment = Experiment.load(given.file)
    with cluster(given.queue, given.memory, given.walltime) as jobs:
        if given.print:
            print(jobs.job_script())
            return
        jobs.scale(jobs=given.jobs)
        store = given.file.with_suffix(".sqlite")
        table = sweep(experiment, store, scheduler=jobs.scheduler_address, progress=print)
        print(table.to_frame())


if __name__ == "__main__":
    main()
