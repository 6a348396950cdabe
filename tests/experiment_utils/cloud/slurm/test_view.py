"""Many jobs in at most two questions, and what to believe when the answers differ."""

from dataclasses import replace

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.experiment_utils.cloud.judging.job_identity import JobIdentity
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.parsing import ACCOUNTING_FIELDS, ACCOUNTING_SEPARATOR
from tmgg.experiment_utils.cloud.slurm.view import merge, view_jobs


@pytest.fixture
def client(slurm: FakeSlurm) -> SlurmClient:
    return SlurmClient()


def view(client: SlurmClient, job_id: str) -> JobView | None:
    return view_jobs(client, [job_id])[job_id]


def test_a_hundred_jobs_are_one_question(client: SlurmClient, slurm: FakeSlurm) -> None:
    comment = f"tmgg:{'a' * 32}"
    ids = [slurm.add_job(state="RUNNING", comment=comment) for _ in range(100)]
    views = view_jobs(client, ids)
    assert {v.phase for v in views.values() if v} == {"running"}
    assert client.calls == {"squeue": 1}


def test_the_controllers_words_are_kept(client: SlurmClient, slurm: FakeSlurm) -> None:
    job_id = slurm.add_job(
        state="PENDING", reason="Resources", start_time="2026-11-23T23:55:13", restarts=2
    )
    found = view(client, job_id)
    assert found is not None
    assert replace(found, identity=None) == JobView(
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


def test_that_a_job_is_not_in_an_answer_about_several_proves_nothing(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    here, cut = slurm.add_job(state="RUNNING"), slurm.add_job(state="RUNNING")
    slurm.break_command("squeue", stdout=first_lines(client, [here], 2))
    views = view_jobs(client, [here, cut])
    assert views[cut] is None
    found = views[here]
    assert found is not None
    assert found.phase == "running"


def test_a_job_is_gone_once_the_controller_says_so_of_it_alone(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    here, gone = slurm.add_job(state="RUNNING"), slurm.add_job(in_queue=False, in_accounts=False)
    views = view_jobs(client, [here, gone])
    assert views[gone] == JobView(phase="unknown")
    assert client.calls["squeue"] == 2


@pytest.mark.parametrize("answer", ["", "\n", "Welcome!\n", "JOBID|JOBID|STATE|"])
def test_an_empty_or_cut_answer_says_nothing_of_any_job(
    client: SlurmClient, slurm: FakeSlurm, answer: str
) -> None:
    job_id = slurm.add_job(state="RUNNING", in_accounts=False)
    slurm.break_command("squeue", stdout=answer, times=None)
    assert view(client, job_id) is None


def test_while_the_accounts_are_silent_squeue_alone_ends_no_job(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    job_id = slurm.add_job(state="RUNNING")
    words = "slurm_load_jobs error: Invalid job id specified"
    slurm.break_command("squeue", times=None, stdout="", stderr=words, exit_code=1)
    slurm.break_command("sacct", times=None, stdout="", stderr="no connection", exit_code=1)
    assert view(client, job_id) is None
    slurm.forget(job_id)
    found = view(client, job_id)
    assert found is not None
    assert found.phase == "unknown"


def test_the_same_refusal_again_and_again_is_one_warning(
    client: SlurmClient, slurm: FakeSlurm, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = slurm.add_job(state="RUNNING")

    def warnings_of_two_polls() -> int:
        caplog.clear()
        slurm.break_command("squeue", times=2, stdout="", stderr="not for you", exit_code=1)
        assert [view(client, job_id) for _poll in range(2)] == [None, None]
        warned = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
        return sum("not for you" in words for words in warned)

    assert warnings_of_two_polls() == 1
    assert warnings_of_two_polls() == 0
    assert view(client, job_id) is not None
    assert warnings_of_two_polls() == 1


def test_accounts_of_another_job_with_the_number_do_not_count(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    queue = JobView(phase="ended", state="FAILED", identity=JobIdentity(token="a" * 32))
    account = JobView(phase="ended", kind="node_fail", identity=JobIdentity(token="b" * 32))
    assert merge(queue, account) == queue


def test_a_field_that_sacct_lacks_is_left_out_after_the_first_refusal(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    slurm.configure(accounting_lacks=["SubmitLine"])
    job_id = slurm.add_job(state="TIMEOUT", in_queue=False)
    for _ in range(2):
        found = view(client, job_id)
        assert found is not None
        assert found.kind == "timeout"
    assert client.calls["sacct"] == 3


def first_lines(client: SlurmClient, job_ids: list[str], count: int) -> str:
    answer = client._queue_answer(f"--jobs={','.join(job_ids)}").stdout
    return "".join(answer.splitlines(keepends=True)[:count])


@pytest.mark.parametrize(
    ("accounts_have", "never_began"),
    [("7_[0-1]", True), ("7", True), ("7_[0-2]", False), ("7_[0,1,...]", False), ("8", False)],
)
def test_an_element_never_began_where_the_accounts_have_its_array_without_it(
    client: SlurmClient, slurm: FakeSlurm, accounts_have: str, never_began: bool
) -> None:
    array = slurm.add_job(options={"array": "0-2"}, taken_out=[2])
    line = ["x"] * len(ACCOUNTING_FIELDS)
    line[ACCOUNTING_FIELDS.index("JobID")] = accounts_have.replace("7", array)
    line[ACCOUNTING_FIELDS.index("JobIDRaw")] = accounts_have.partition("_")[0].replace("7", array)
    line[ACCOUNTING_FIELDS.index("State")] = "PENDING"
    slurm.break_command("sacct", stdout=ACCOUNTING_SEPARATOR.join(line) + "\n", exit_code=0)
    found = view(client, f"{array}_2")
    assert found is not None
    assert (found.phase, found.never_began) == ("unknown", never_began)
