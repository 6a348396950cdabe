"""Two trainings in one output folder would give out each other's checkpoints."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tmgg.errors import ConfigError
from tmgg.experiments import denoising
from tmgg.training import experiment
from tmgg.training.one_training import one_training_in

Config = dict[str, Any]
CRASH = """
import os, pathlib, sys
from tmgg.training.one_training import one_training_in
with one_training_in(pathlib.Path(sys.argv[1])):
    os._exit(9)
"""


@pytest.mark.parametrize("run", [experiment.run, denoising.run])
def test_a_second_training_in_one_folder_is_refused_before_it_writes(
    small: Config, run: Any
) -> None:
    folder = Path(small["output_dir"])
    with (
        one_training_in(folder),
        pytest.raises(ConfigError, match=rf"another training .*\(process {os.getpid()} on .*"),
    ):
        run(small)
    assert not (folder / "checkpoints").exists()
    assert not (folder / "logs").exists()


@pytest.mark.parametrize("run", [experiment.run, denoising.run])
def test_a_training_goes_on_in_the_folder_where_it_was(small: Config, run: Any) -> None:
    last = run(small)["checkpoint_path"]

    again = run({**small, "resume_from": last})

    assert again["steps"] == 24


def test_a_crash_leaves_the_folder_free(tmp_path: Path) -> None:
    crashed = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path)], check=False, timeout=60)
    assert crashed.returncode == 9
    for _ in range(2):
        with one_training_in(tmp_path):
            pass
