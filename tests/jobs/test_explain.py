"""`tmgg-jobs explain`: Slurm's reasons in plain words, and the lines of the logs that tell."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.slurm.fake import FakeSlurm
from tests.jobs.conftest import BAD, GOOD, Jobs, submit
from tmgg.experiment_utils.cloud.slurm.site.reasons import explain_reason

# What the library of Slurm 22.05 can say (`strings libslurmfull.so`), families in full.
REASONS_OF_SLURM = """
None Priority Dependency Resources PartitionNodeLimit PartitionTimeLimit PartitionDown
PartitionInactive JobHeldAdmin JobHeldUser BeginTime Licenses AssociationJobLimit
AssociationResourceLimit AssociationTimeLimit Reservation ReqNodeNotAvail FrontEndDown SchedDefer
NodeDown BadConstraints SystemFailure JobLaunchFailure NonZeroExitCode InvalidAccount InvalidQOS
QOSUsageThreshold QOSJobLimit QOSResourceLimit QOSTimeLimit BlockMaxError BlockFreeAction Cleaning
Prolog QOSNotAllowed AccountNotAllowed DependencyNeverSatisfied QOSGrpCpuLimit
QOSGrpCPUMinutesLimit QOSGrpCPURunMinutesLimit QOSGrpJobsLimit QOSGrpMemLimit QOSGrpNodeLimit
QOSGrpSubmitJobsLimit QOSGrpWallLimit QOSMaxCpuPerJobLimit QOSMaxCpuMinutesPerJobLimit
QOSMaxNodePerJobLimit QOSMaxWallDurationPerJobLimit QOSMaxCpuPerUserLimit QOSMaxJobsPerUserLimit
QOSMaxNodePerUserLimit QOSMaxSubmitJobPerUserLimit QOSMinCpuNotSatisfied AssocGrpCpuLimit
AssocGrpCPUMinutesLimit AssocGrpCPURunMinutesLimit AssocGrpJobsLimit AssocGrpMemLimit
AssocGrpNodeLimit AssocGrpSubmitJobsLimit AssocGrpWallLimit AssocMaxJobsLimit
AssocMaxCpuPerJobLimit AssocMaxCpuMinutesPerJobLimit AssocMaxNodePerJobLimit AssocMaxSubmitJobLimit
JobHoldMaxRequeue JobArrayTaskLimit BurstBufferResources BurstBufferStageIn BurstBufferOperation
PowerNotAvail PowerReserved AssocGrpUnknown AssocGrpUnknownMinutes AssocGrpUnknownRunMinutes
AssocMaxUnknownPerJob AssocMaxUnknownPerNode AssocMaxUnknownMinutesPerJob AssocMaxCpuPerNode
AssocGrpMemMinutes AssocGrpMemRunMinutes AssocMaxMemPerJob AssocMaxMemPerNode
AssocMaxMemMinutesPerJob AssocGrpNodeMinutes AssocGrpNodeRunMinutes AssocMaxNodeMinutesPerJob
AssocGrpEnergy AssocGrpEnergyMinutes AssocMaxEnergyPerJob AssocGrpGRES AssocGrpGRESMinutes
AssocGrpGRESRunMinutes AssocMaxGRESPerJob AssocMaxGRESPerNode AssocMaxGRESMinutesPerJob
AssocGrpLicense AssocMaxLicensePerJob AssocGrpBB AssocGrpBBMinutes AssocMaxBBPerNode
QOSGrpUnknown QOSMaxUnknownPerUser QOSMinUnknown QOSMaxCpuPerNode QOSGrpMemoryMinutes
QOSGrpMemoryRunMinutes QOSMaxMemoryPerJob QOSMaxMemoryPerNode QOSMaxMemoryPerUser
QOSMaxMemoryMinutesPerJob QOSMinMemory QOSGrpNodeMinutes QOSMaxNodeMinutesPerJob QOSMinNode
QOSGrpEnergy QOSMaxEnergyPerUser QOSMinEnergy QOSGrpGRES QOSGrpGRESMinutes QOSGrpGRESRunMinutes
QOSMaxGRESPerJob QOSMaxGRESPerNode QOSMaxGRESPerUser QOSMaxGRESMinutesPerJob QOSMinGRES
QOSGrpLicense QOSMaxLicensePerUser QOSMinLicense QOSGrpBB QOSMaxBBPerJob ReservationDeleted
QOSMinBB DeadLine MaxBBPerAccount MaxCpuPerAccount MaxEnergyPerAccount MaxGRESPerAccount
MaxNodePerAccount MaxLicensePerAccount MaxMemoryPerAccount MaxUnknownPerAccount MaxJobsPerAccount
MaxSubmitJobsPerAccount PartitionConfig AccountingPolicy FedJobLock OutOfMemory MaxMemPerLimit
AssocGrpBilling AssocGrpBillingMinutes AssocGrpBillingRunMinutes AssocMaxBillingPerJob
AssocMaxBillingPerNode AssocMaxBillingMinutesPerJob QOSGrpBilling QOSGrpBillingMinutes
QOSGrpBillingRunMinutes QOSMaxBillingPerJob QOSMaxBillingPerNode QOSMaxBillingPerUser
QOSMaxBillingMinutesPerJob MaxBillingPerAccount QOSMinBilling
""".split()  # noqa: SIM905


@pytest.mark.parametrize("reason", REASONS_OF_SLURM)
def test_every_reason_slurm_has_is_explained(reason: str) -> None:
    (found,) = explain_reason(reason)
    assert found.reason == reason
    assert "Slurm says" not in found.words
    assert found.outlook == "waits" or found.advice, "what blocks a job needs advice"


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("JobArrayTaskLimit,BeginTime", ["JobArrayTaskLimit", "BeginTime"]),
        ("ReqNodeNotAvail, UnavailableNodes:node[1-3]", ["ReqNodeNotAvail"]),
        ("(Resources)", ["Resources"]),
        (
            "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority",
            ["Nodes required for job are DOWN, DRAINED or reserved"],
        ),
        ("launch failed requeued held", ["launch failed requeued held"]),
    ],
)
def test_slurms_combinations_and_sentences_are_read(text: str, reasons: list[str]) -> None:
    assert [found.reason for found in explain_reason(text)] == reasons


def test_a_reason_nobody_knows_is_quoted_with_where_to_look() -> None:
    (found,) = explain_reason("QuantumDecoherence")
    assert "'QuantumDecoherence'" in found.words
    assert "job_reason_codes" in found.advice
    assert found.outlook == "waits"


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    assert explain_reason(text)


def test_a_pending_run_says_whether_it_will_start_and_when(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    job = submit("run-1")
    slurm.change_job(job, reason="Resources", start_time="2026-11-24T08:00:00")
    explained = tmgg_jobs("explain", "run-1", "--json").json
    assert set(explained) == {
        "run_id", "status", "summary", "reasons", "estimated_start", "failure", "evidence",
        "advice",
    }  # fmt: skip
    assert "will start by itself" in explained["summary"]
    assert explained["estimated_start"] == "2026-11-24T08:00:00"
    assert "Slurm expects it to start at" in tmgg_jobs("explain", "run-1").out


def test_a_blocked_run_says_so_with_the_command_that_helps(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    job = submit("run-1")
    slurm.change_job(job, reason="JobHeldUser")
    explained = tmgg_jobs("explain", "run-1").out
    assert "will not start unless something changes" in explained
    assert f"scontrol release {job}" in explained


def test_a_running_run_says_how_far_it_is(slow_run: str, tmgg_jobs: Jobs) -> None:
    for _ in range(100):
        explained = tmgg_jobs("explain", slow_run, "--json").json
        if "the experiment's process began" in explained["summary"]:
            break
    assert "the experiment's process began" in explained["summary"]


def test_a_run_that_completed_has_nothing_to_explain(here: Path, tmgg_jobs: Jobs) -> None:
    assert tmgg_jobs("explain", GOOD).out == f"run {GOOD} completed.\n"


def test_a_failed_run_shows_kind_message_and_hint(here: Path, tmgg_jobs: Jobs) -> None:
    explained = tmgg_jobs("explain", BAD).out
    assert f"run {BAD} failed: user_error." in explained
    assert "ValueError: boom" in explained
    assert "HINT:" in explained


def test_telling_lines_of_the_logs_are_shown_once(here: Path, tmgg_jobs: Jobs) -> None:
    telling = "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step"
    err = here / "local_outputs" / f"{BAD}.err"
    err.write_text(f"{telling}\n" * 3 + "progress 1\n" * 50)
    assert tmgg_jobs("explain", BAD, "--json").json["evidence"] == [telling]


def test_lines_of_an_earlier_start_do_not_tell_why_a_later_one_failed(
    here: Path, tmgg_jobs: Jobs
) -> None:
    err = here / "local_outputs" / f"{BAD}.err"
    mark = "tmgg: submission 1, restart 0, job 1 on n1"
    err.write_text(f"{mark}\nDetected 1 oom_kill event\n{mark}\nNo space left on device\n")
    assert tmgg_jobs("explain", BAD, "--json").json["evidence"] == ["No space left on device"]


def test_a_backend_that_does_not_answer_is_said(
    empty: Path, tmgg_jobs: Jobs, slurm: FakeSlurm
) -> None:
    submit("run-1")
    slurm.configure(controller="down", accounting="down")
    explained = tmgg_jobs("explain", "run-1")
    assert explained.code == 4
    assert "does not say how its job is" in explained.out
