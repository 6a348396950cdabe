"""Hints on Slurm name what is to be changed, and nothing else."""

from tmgg.experiment_utils.cloud.judging.diagnosis import diagnose_output
from tmgg.experiment_utils.cloud.slurm.hints import SLURM_HINTS
from tmgg.experiment_utils.run_folder.failures import in_words_of
from tmgg.experiment_utils.run_folder.task import TaskOutput


def test_a_run_that_its_own_limit_ended_says_so_once() -> None:
    words = "timeout_seconds=5 is over"
    output = TaskOutput(run_id="r", status="timeout", error_message=words)

    found = in_words_of(diagnose_output(output), SLURM_HINTS)

    assert found.message == f"{words}."
    assert "slurm_time_limit only if that is not longer" in found.hint
