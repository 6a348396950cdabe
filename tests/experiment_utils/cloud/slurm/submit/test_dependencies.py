"""A dependency of later submissions, whose job Slurm may have forgotten meanwhile."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import RefusedError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.cloud.slurm.submit.dependencies import ASK_AGAIN_S
from tmgg.experiment_utils.run_folder.ownership import claim
from tmgg.experiment_utils.run_folder.paths import RunPaths

CONFIG = {"experiment": {"_target_": "lab:run"}}
MakeRunner = Callable[[], SlurmRunner]


@pytest.fixture
def blocker(slurm: FakeSlurm) -> str:
    """The job that is waited for."""
    return slurm.add_job(state="RUNNING")


@pytest.fixture
def make(slurm: FakeSlurm, folder: Path, clock: FakeClock, blocker: str) -> MakeRunner:
    options = SlurmConfig(
        nodes=1, ray_bootstrap="none", lost_grace_s=0.01, dependency=f"afterok:{blocker}"
    )
    return lambda: SlurmRunner(options, clock=clock)


def spawn(runner: SlurmRunner, run_id: str) -> None:
    runner.spawn_experiment(CONFIG, run_id=run_id)


def dependencies(slurm: FakeSlurm) -> list[str | None]:
    """Of the jobs that were submitted, in order."""
    return [job["options"].get("dependency") for job in list(slurm.jobs.values())[1:]]


def end(slurm: FakeSlurm, job_id: str, state: str) -> None:
    """So long ago that the controller has forgotten it."""
    slurm.change_job(job_id, state=state)
    slurm.forget(job_id)


def test_a_job_that_goes_on_is_waited_for(slurm: FakeSlurm, make: MakeRunner, blocker: str) -> None:
    spawn(make(), "a")
    assert dependencies(slurm) == [f"afterok:{blocker}"]


def test_once_the_job_has_succeeded_later_submissions_do_not_name_it(
    slurm: FakeSlurm, make: MakeRunner, clock: FakeClock, blocker: str
) -> None:
    runner = make()
    spawn(runner, "a")
    end(slurm, blocker, "COMPLETED")
    clock.sleep(ASK_AGAIN_S)
    spawn(runner, "b")
    spawn(make(), "c")
    assert dependencies(slurm) == [f"afterok:{blocker}", None, None]


def test_a_job_that_failed_is_said_and_the_refusal_is_on_record(
    slurm: FakeSlurm, make: MakeRunner, clock: FakeClock, blocker: str
) -> None:
    end(slurm, blocker, "TIMEOUT")
    with pytest.raises(RefusedError, match=f"can never be met: job {blocker} ended TIMEOUT"):
        spawn(make(), "a")
    assert "ended TIMEOUT" in str(make().collect("a").error_message)
    assert dependencies(slurm) == []


def test_an_earlier_run_that_began_proves_it_without_a_question(
    slurm: FakeSlurm, make: MakeRunner, blocker: str
) -> None:
    runner = make()
    spawn(runner, "a")
    claim(RunPaths(runner.output_dir, "a").submission(1), "1")
    slurm.configure(accounting="absent")
    end(slurm, blocker, "COMPLETED")
    before = len(slurm.calls("squeue"))
    spawn(runner, "b")
    assert dependencies(slurm) == [f"afterok:{blocker}", None]
    assert len(slurm.calls("squeue")) == before


def test_a_retry_of_a_run_that_began_does_not_wait_again(
    slurm: FakeSlurm, make: MakeRunner, blocker: str
) -> None:
    runner = make()
    spawn(runner, "a")
    job_id = str(max(map(int, slurm.jobs)))
    claim(RunPaths(runner.output_dir, "a").submission(1), job_id)
    slurm.change_job(job_id, state="NODE_FAIL")
    slurm.configure(accounting="absent")
    end(slurm, blocker, "COMPLETED")
    elsewhere = make()
    assert elsewhere.get_status("a") == "failed"
    elsewhere.retry("a")
    assert dependencies(slurm) == [f"afterok:{blocker}", None]


def test_a_start_under_other_options_proves_nothing(
    slurm: FakeSlurm, make: MakeRunner, folder: Path, clock: FakeClock, blocker: str
) -> None:
    free = SlurmRunner(SlurmConfig(nodes=1, ray_bootstrap="none", lost_grace_s=0.01), clock=clock)
    spawn(free, "a")
    job_id = str(max(map(int, slurm.jobs)))
    claim(RunPaths(free.output_dir, "a").submission(1), job_id)
    slurm.change_job(job_id, state="NODE_FAIL")
    runner = make()
    assert runner.get_status("a") == "failed"
    runner.spawn_experiment(CONFIG, run_id="a", resume=True)
    spawn(runner, "b")
    assert dependencies(slurm) == [None, f"afterok:{blocker}", f"afterok:{blocker}"]


def test_where_nobody_knows_how_it_ended_it_is_kept_and_the_refusal_says_what_to_do(
    slurm: FakeSlurm, make: MakeRunner, blocker: str
) -> None:
    slurm.configure(accounting="absent")
    end(slurm, blocker, "COMPLETED")
    with pytest.raises(RefusedError) as caught:
        spawn(make(), "a")
    assert "Job dependency problem" in str(caught.value)
    assert f"slurm_dependency is afterok:{blocker}." in str(caught.value)
    assert "slurm_dependency=null" in str(caught.value)


def test_a_controller_that_does_not_answer_decides_nothing(
    slurm: FakeSlurm, make: MakeRunner, blocker: str
) -> None:
    slurm.break_command("squeue", exit_code=1, stderr="slurm_load_jobs error")
    spawn(make(), "a")
    assert dependencies(slurm) == [f"afterok:{blocker}"]


def test_a_part_of_an_array_that_the_controller_still_knows_proves_nothing(
    slurm: FakeSlurm, make: MakeRunner, clock: FakeClock, folder: Path
) -> None:
    array = slurm.add_job(state="COMPLETED", options={"array": "0-0"})
    options = SlurmConfig(nodes=1, ray_bootstrap="none", dependency=f"afterok:{array}")
    spawn(SlurmRunner(options, clock=clock), "a")
    assert dependencies(slurm)[-1] == f"afterok:{array}"


def test_many_submissions_cost_one_question(
    slurm: FakeSlurm, make: MakeRunner, clock: FakeClock, blocker: str
) -> None:
    runner = make()
    for number in range(4):
        spawn(runner, f"a{number}")
    assert len(slurm.calls("squeue")) == 1
    end(slurm, blocker, "COMPLETED")
    for number in range(3):
        clock.sleep(ASK_AGAIN_S)
        spawn(runner, f"b{number}")
    assert len(slurm.calls("squeue")) == 2
    assert dependencies(slurm)[4:] == [None] * 3
