"""A copy of the output folder that was made while runs went on; and a folder that was moved."""

import shutil
from pathlib import Path

import pytest

from tests.experiment_utils.cloud.slurm.runner.conftest import config
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import BackendError, ConfigError, SubmissionError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner

MODES = ["separate", "array"]


def asked_in(folder: Path) -> SlurmRunner:
    return SlurmRunner(SlurmConfig(output_dir=str(folder), lost_grace_s=1e-6, nodes=1))


@pytest.fixture(params=MODES)
def run_id(request: pytest.FixtureRequest, runner: SlurmRunner) -> str:
    """A run whose job waits."""
    return runner.spawn_sweep([config()], mode=request.param).run_ids[0]


def test_in_a_copy_nothing_is_concluded_and_nothing_begun(
    runner: SlurmRunner, slurm: FakeSlurm, run_id: str
) -> None:
    copy = runner.output_dir.with_name("copy")
    shutil.copytree(runner.output_dir, copy)
    for job_id in list(slurm.jobs):
        slurm.run(job_id)
        slurm.wait_for(job_id, "COMPLETED")
        slurm.forget(job_id)
    there = asked_in(copy)
    for _look in range(3):
        state = there.poll([run_id])[0]
        assert not state.final
        assert f"is a copy of {runner.output_dir}" in state.note
    with pytest.raises(SubmissionError, match="is a copy of"):
        there.retry(run_id)
    with pytest.raises(BackendError, match="is a copy of"):
        there.cancel(run_id)
    with pytest.raises(ConfigError, match="is a copy of"):
        there.run_sweep([config()], resume=True)
    assert len(slurm.calls("sbatch")) == 1
    assert runner.get_result(run_id).metrics["x"] == 3


def test_a_copy_of_what_has_ended_has_its_results(
    runner: SlurmRunner, slurm: FakeSlurm, run_id: str
) -> None:
    for job_id in list(slurm.jobs):
        slurm.run(job_id)
    runner.get_result(run_id)
    copy = runner.output_dir.with_name("copy")
    shutil.copytree(runner.output_dir, copy)
    assert asked_in(copy).get_result(run_id).metrics["x"] == 3


@pytest.mark.parametrize("leaves_link", [False, True])
def test_a_folder_that_was_moved_goes_on_as_before(
    runner: SlurmRunner, slurm: FakeSlurm, run_id: str, leaves_link: bool
) -> None:
    moved = runner.output_dir.with_name("moved")
    runner.output_dir.rename(moved)
    if leaves_link:
        runner.output_dir.symlink_to(moved)
    state = asked_in(moved).poll([run_id])[0]
    assert (state.status, state.backend_state) == ("pending", "PENDING")
