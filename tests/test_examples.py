"""The example scripts run, and land where they say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from script_loading import module_at

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_a_network_in_plain_pytorch_lands_on_our_curve() -> None:
    pytest.importorskip("torch")
    example = module_at(EXAMPLES / "plain_pytorch.py")
    runs = np.array([example.train(seed, d=600, p=100) for seed in range(8)])
    error = runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    z = (runs.mean(axis=0) - example.predicted(d=600, p=100)) / error
    # Two steps, two directions; a finite d moves the means by less than its own error bar or two.
    assert np.abs(z).max() < 6


def test_the_job_script_of_a_slurm_sweep_is_printed_without_a_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("dask_jobqueue")
    file = tmp_path / "e.toml"
    file.write_text('target.expression = "z1"\n')
    example = module_at(EXAMPLES / "slurm_sweep.py")
    example.main([str(file), "--print", "--queue", "short", "--memory", "3 GB", "--walltime", "00:30:00"])
    script = capsys.readouterr().out
    directives = dict(re.findall(r"^#SBATCH (\S+?)[ =](\S+)$", script, re.M))
    assert directives == {
        "-J": "giantstep",
        "-p": "short",
        "-n": "1",
        "--cpus-per-task": "1",
        "--mem": "3G",
        "-t": "00:30:00",
    }
    assert "OMP_NUM_THREADS=1" in script
    assert re.search(r"dask_worker tcp://\S+ .*--nthreads 1 ", script)
    assert not file.with_suffix(".sqlite").exists()
