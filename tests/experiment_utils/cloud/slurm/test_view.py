"""Many jobs in at most two questions, and what to believe when the answers differ."""

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.view import view_jobs
from tmgg.experiment_utils.cloud.verdict import JobView


@pytest.fixture
def client(slurm: FakeSlurm) -> SlurmClient:
    return SlurmClient()


def view(client: SlurmClient, job_id: str) -> JobView | None:
    return view_jobs(client, [job_id])[job_id]


def test_a_hundred_jobs_are_one_question(client: SlurmClient, slurm: FakeSlurm) -> None:
    ids = [slurm.add_job(state="RUNNING") for _ in range(100)]
    views = view_jobs(client, ids)
    assert {v.phase for v in views.values() if v} == {"running"}
    assert client.calls == {"squeue": 1}


def test_the_controllers_words_are_kept(client: SlurmClient, slurm: FakeSlurm) -> None:
    job_id = slurm.add_job(
        state="PENDING", reason="Resources", start_time="2026-11-23T23:55:13", restarts=2
    )
    found = view(client, job_id)
    assert found == JobView(
        phase="pending",
        state="PENDING",
        reason="Resources",
        restarts=2,
        estimated_start="2026-11-23T23:55:13",
    )


def test_a_start_that_is_past_is_no_estimate(client: SlurmClient, slurm: FakeSlurm) -> None:
    found = view(client, slurm.add_job(state="RUNNING", start_time="2026-11-23T23:55:13"))
    assert found is not None
    assert found.estimated_start is None


def test_a_job_the_controller_has_forgotten_is_looked_up_in_the_accounts(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    job_id = slurm.add_job(state="TIMEOUT", in_queue=False, nodes="node2")
    found = view(client, job_id)
    assert found is not None
    assert (found.phase, found.state, found.kind) == ("ended", "TIMEOUT", "timeout")
    assert found.nodes == "node2"


def test_who_cancelled_is_kept_as_the_reason(client: SlurmClient, slurm: FakeSlurm) -> None:
    found = view(client, slurm.add_job(state="CANCELLED", cancelled_by=0, in_queue=False))
    assert found is not None
    assert (found.kind, found.reason) == ("cancelled", "CANCELLED by 0")


def test_an_out_of_memory_kill_of_a_step_explains_a_failed_job(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    steps = [("batch", "FAILED", "1:0"), ("0", "OUT_OF_MEMORY", "0:125")]
    job_id = slurm.add_job(
        state="FAILED", reason="NonZeroExitCode", exit_status=256, steps=steps, restarts=1
    )
    found = view(client, job_id)
    assert found is not None
    assert (found.kind, found.state, found.exit_code) == ("out_of_memory", "FAILED", "1:0")
    assert (found.restarts, found.reason) == (1, "NonZeroExitCode")


def test_out_of_memory_in_a_job_that_completed_explains_nothing(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    steps = [("0", "OUT_OF_MEMORY", "0:125")]
    found = view(client, slurm.add_job(state="COMPLETED", steps=steps, in_queue=False))
    assert found is not None
    assert found.kind is None


def test_an_answer_that_slurm_is_known_to_correct_is_not_settled(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    first = view(client, slurm.add_job(state="FAILED", in_queue=False))
    later = view(client, slurm.add_job(state="FAILED", exit_status=7 << 8, in_queue=False))
    assert first is not None
    assert later is not None
    assert (first.settled, later.settled) == (False, True)


def test_a_job_that_nobody_knows_is_unknown(client: SlurmClient, slurm: FakeSlurm) -> None:
    job_id = slurm.add_job(in_queue=False, in_accounts=False)
    assert view(client, job_id) == JobView(phase="unknown")
    slurm.configure(accounting="absent")
    assert view(client, job_id) == JobView(phase="unknown")
    slurm.configure(accounting="down")
    assert view(client, job_id) == JobView(phase="unknown")


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "COMPLETING"])
def test_the_accounts_alone_do_not_keep_a_job_alive(
    client: SlurmClient, slurm: FakeSlurm, state: str
) -> None:
    """Accounts can show a job as running for ever when its end was lost ("runaway jobs")."""
    found = view(client, slurm.add_job(state=state, in_queue=False))
    assert found is not None
    assert (found.phase, found.state) == ("unknown", state)


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"])
def test_without_the_controller_the_accounts_are_believed_on_an_end(
    client: SlurmClient, slurm: FakeSlurm, state: str
) -> None:
    job_id = slurm.add_job(state=state)
    slurm.configure(controller="down")
    found = view(client, job_id)
    assert found is not None
    assert (found.phase, found.state) == ("ended", state)


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "REQUEUED", "PREEMPTED", "NODE_FAIL"])
def test_without_the_controller_old_accounts_prove_nothing(
    client: SlurmClient, slurm: FakeSlurm, state: str
) -> None:
    """The end of a job reaches them through the controller, and some states lead to a restart."""
    job_id = slurm.add_job(state=state)
    slurm.configure(controller="down")
    assert view(client, job_id) is None


def test_when_nobody_answers_nothing_is_known(client: SlurmClient, slurm: FakeSlurm) -> None:
    job_id = slurm.add_job(state="COMPLETED")
    slurm.configure(controller="down", accounting="down")
    assert view(client, job_id) is None
    slurm.configure(controller="down", accounting="absent")
    assert view(client, job_id) is None


def test_one_record_with_a_damaged_job_id_does_not_blind_the_others(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    """Both squeue and sacct refuse the whole question when one id is no number."""
    job_id = slurm.add_job(state="RUNNING")
    views = view_jobs(client, ["garbage", job_id, "", "1,2", "-5", "\u0661"])
    found = {name: v.phase for name, v in views.items() if v}
    assert found.pop(job_id) == "running"
    assert set(found.values()) == {"unknown"}
    assert len(found) == 5


def test_only_the_unclear_are_looked_up_in_the_accounts(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    running = slurm.add_job(state="RUNNING")
    failed = slurm.add_job(state="FAILED", exit_status=256)
    view_jobs(client, [running, failed])
    (call,) = slurm.calls("sacct")
    assert f"--jobs={failed}" in call.argv
