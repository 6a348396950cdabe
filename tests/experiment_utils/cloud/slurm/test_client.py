"""Questions and orders about jobs, against commands that answer, lie, hang and die."""

import os
import re
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import (
    BackendUnavailableError,
    QueryError,
    RefusedError,
    SubmissionError,
    SubmissionUnknownError,
)
from tmgg.experiment_utils.cloud.slurm import job_ids
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.commands import AccountingAbsentError
from tmgg.experiment_utils.cloud.slurm.installed import require_commands
from tmgg.experiment_utils.cloud.slurm.refusal_words import UNCERTAIN
from tmgg.experiment_utils.cloud.slurm.sbatch_answer import ControllerSilentError


def test_a_submission_is_one_sbatch_with_its_comment_in_the_working_directory(
    client: SlurmClient, slurm: FakeSlurm, script: Path
) -> None:
    job_id = client.submit(script, comment="tmgg:abc", cwd=script.parent)
    (call,) = slurm.calls()
    assert call.argv == ["sbatch", "--parsable", "--comment=tmgg:abc", str(script)]
    assert call.cwd == str(script.parent)
    job = slurm.only_job
    assert (job["id"], job["name"], job["comment"]) == (job_id, 'a "b"', "tmgg:abc")
    assert client.calls == {"sbatch": 1}


def test_a_refusal_carries_slurms_own_words(
    client: SlurmClient, slurm: FakeSlurm, script: Path
) -> None:
    words = "Batch job submission failed: Invalid qos specification"
    slurm.break_command("sbatch", exit_code=1, stderr=f"sbatch: error: {words}")
    with pytest.raises(SubmissionError, match=f"sbatch ended with 1: .*{words}") as caught:
        client.submit(script, comment="c", cwd=script.parent)
    assert not isinstance(caught.value, SubmissionUnknownError)


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        # Pasted from Slurm 22.05.
        (255, "sbatch: unrecognized option '--bogus'"),
        (255, "sbatch: option '--hold' doesn't allow an argument"),
        (255, "sbatch: error: Invalid --time specification"),
        (1, 'sbatch: error: Invalid numeric value "x" for --cpus-per-task.'),
        (1, "sbatch: error: --uid only permitted by root user"),
    ],
)
def test_options_that_sbatch_does_not_understand_are_a_refusal(
    client: SlurmClient, slurm: FakeSlurm, script: Path, exit_code: int, words: str
) -> None:
    slurm.break_command("sbatch", exit_code=exit_code, stderr=words)
    with pytest.raises(RefusedError, match=re.escape(words)):
        client.submit(script, comment="c", cwd=script.parent)


def test_slurm_without_a_configuration_is_no_controller_to_wait_for(
    client: SlurmClient, slurm: FakeSlurm, script: Path
) -> None:
    # Pasted from Slurm 22.05 as Debian installs it.
    words = (
        "sbatch: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host\n"
        "sbatch: error: fetch_config: DNS SRV lookup failed\n"
        "sbatch: error: _establish_config_source: failed to fetch config\n"
        "sbatch: fatal: Could not establish a configuration source"
    )
    slurm.break_command("sbatch", exit_code=1, stderr=words)
    with pytest.raises(SubmissionError, match=r"(?s)find no cluster.*tmgg_local") as caught:
        client.submit(script, comment="c", cwd=script.parent)
    assert not isinstance(caught.value, SubmissionUnknownError)


@pytest.mark.parametrize("phrase", UNCERTAIN)
def test_a_controller_that_did_not_answer_refused_nothing(
    client: SlurmClient, slurm: FakeSlurm, script: Path, phrase: str
) -> None:
    slurm.break_command(
        "sbatch", exit_code=1, stderr=f"sbatch: error: Batch job submission failed: {phrase}"
    )
    with pytest.raises(ControllerSilentError, match=phrase):
        client.submit(script, comment="c", cwd=script.parent)


@pytest.mark.parametrize(
    "fault",
    [
        {"kill": True, "perform": True},
        {"stdout": "", "exit_code": 0},
        {"stdout": "\udcff\udcfe garbage\n", "exit_code": 0},
        {"stdout": "Submitted batch job 5\n", "exit_code": 0},
        {"before": "4711\n"},
        {"stdout": "1001\n", "exit_code": 1},
        # A site's wrapper may fail after the real sbatch succeeded.
        {
            "perform": True,
            "exit_code": 1,
            "stderr": "/etc/profile.d/quota.sh: line 3: quota: error",
        },
        {"exit_code": 1},
        {"exit_code": 255, "stderr": "wrapper: Invalid --time specification"},
    ],
)
def test_an_answer_that_is_none_leaves_the_submission_unknown(
    client: SlurmClient, slurm: FakeSlurm, script: Path, fault: dict[str, object]
) -> None:
    slurm.break_command("sbatch", **fault)  # type: ignore[arg-type]
    with pytest.raises(SubmissionUnknownError) as caught:
        client.submit(script, comment="c", cwd=script.parent)
    assert not isinstance(caught.value, ControllerSilentError)


def test_banners_around_the_job_id_do_not_matter(
    client: SlurmClient, slurm: FakeSlurm, script: Path
) -> None:
    slurm.break_command("sbatch", before="Welcome to 3|4!\n", after="Your quota: 12 GB\n")
    assert client.submit(script, comment="c", cwd=script.parent) == slurm.only_job["id"]


def test_the_queue_is_asked_once_for_all_and_tells_those_it_knows(
    client: SlurmClient, slurm: FakeSlurm, job_id: str
) -> None:
    other = slurm.add_job(state="RUNNING", nodes="node2", restarts=3)
    found = client.queue([job_id, other, "999999"])
    assert set(found) == {job_id, other}
    assert found[other].restarts == 3
    assert len(slurm.calls("squeue")) == 1


def test_a_single_job_that_nobody_knows_is_no_error(client: SlurmClient) -> None:
    assert client.queue(["999999"]) == {}
    assert client.accounting(["999999"]) == {}
    assert client.job_details("999999") == {}


def test_no_question_is_asked_about_nothing(client: SlurmClient, slurm: FakeSlurm) -> None:
    assert client.queue([]) == {}
    assert client.accounting([]) == {}
    client.cancel([])
    assert slurm.calls() == []


def test_many_ids_are_asked_in_several_questions(
    client: SlurmClient, slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_ids, "IDS_PER_QUERY", 2)
    ids = [slurm.add_job() for _ in range(5)]
    assert list(client.queue(ids)) == ids
    assert list(client.accounting(ids)) == ids
    assert len(slurm.calls("squeue")) == len(slurm.calls("sacct")) == 3


@pytest.mark.parametrize(
    "fault",
    [
        {"exit_code": 1, "stderr": "slurm_load_jobs error: Unable to contact slurm controller"},
        {"exit_code": 1, "stdout": "half an answer"},
        {"stdout": "1|\0|", "exit_code": 0},
        {"kill": True},
        {"delay_s": 60.0},
    ],
)
@pytest.mark.parametrize("command", ["squeue", "sacct", "scontrol", "sinfo", "sacctmgr"])
def test_a_question_without_an_answer_is_a_query_error(
    slurm: FakeSlurm, command: str, fault: dict[str, object]
) -> None:
    slurm.break_command(command, **fault)  # type: ignore[arg-type]
    client = SlurmClient(query_timeout_s=0.4) if "delay_s" in fault else SlurmClient()
    ask = {
        "squeue": lambda: client.queue(["1"]),
        "sacct": lambda: client.accounting(["1"]),
        "scontrol": lambda: client.job_details("1"),
        "sinfo": client.partitions,
        "sacctmgr": client.accounts,
    }[command]
    with pytest.raises(QueryError, match=command):
        ask()


def test_accounts_that_are_not_kept_are_told_from_ones_that_do_not_answer(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    slurm.configure(accounting="absent")
    with pytest.raises(AccountingAbsentError, match="disabled"):
        client.accounting(["1"])
    with pytest.raises(QueryError):
        client.accounts()
    slurm.configure(accounting="down")
    with pytest.raises(QueryError, match="Connection refused") as caught:
        client.accounting(["1"])
    assert not isinstance(caught.value, AccountingAbsentError)


def test_a_job_is_found_by_its_comment_and_by_its_submit_line(
    client: SlurmClient, slurm: FakeSlurm, job_id: str
) -> None:
    slurm.add_job(comment="tmgg:other")
    slurm.add_job(comment="tmgg:abc", uid=os.getuid() + 1)
    assert client.find_by_comment("tmgg:abc") == job_id
    assert client.find_by_comment("tmgg:ab") is None
    assert client.find_by_submit_line("tmgg:abc", since=0) == job_id
    assert client.find_by_submit_line("tmgg:nobody", since=0) is None


def test_a_job_is_found_by_its_script(
    client: SlurmClient, slurm: FakeSlurm, script: Path, job_id: str
) -> None:
    slurm.add_job(comment="tmgg:other")
    assert client.find_by_script(script) == job_id
    assert client.find_by_script(script.with_name("another.sh")) is None


def test_a_job_in_a_hidden_partition_is_found(
    client: SlurmClient, slurm: FakeSlurm, script: Path
) -> None:
    slurm.configure(partition_settings={"own": {"Hidden": "YES"}})
    options = {"partition": "own"}
    job_id = slurm.add_job(comment="tmgg:abc", options=options, script=str(script))
    assert client.find_by_comment("tmgg:abc") == job_id
    assert client.find_by_script(script) == job_id
    assert job_id in client.queue([job_id])


def test_of_two_jobs_with_one_comment_the_newest_is_taken(
    client: SlurmClient, slurm: FakeSlurm
) -> None:
    ids = [slurm.add_job(comment="tmgg:abc") for _ in range(2)]
    assert client.find_by_comment("tmgg:abc") == ids[-1]


def test_cancelling_what_has_ended_is_no_error(
    client: SlurmClient, slurm: FakeSlurm, job_id: str
) -> None:
    client.cancel([job_id])
    assert slurm.only_job["state"] == "CANCELLED"
    client.cancel([job_id, "999999"])
    slurm.break_command(
        "scancel",
        exit_code=1,
        stderr="scancel: error: Kill job error on job id 9: Invalid job id specified",
    )
    client.cancel(["9"])


def test_cancelling_without_a_controller_is_an_error(
    client: SlurmClient, slurm: FakeSlurm, job_id: str
) -> None:
    slurm.configure(controller="down")
    with pytest.raises(QueryError, match=r"scancel ended with 8.*Unable to contact"):
        client.cancel([job_id])
    assert slurm.only_job["state"] == "PENDING"


def test_the_names_that_exist(client: SlurmClient, slurm: FakeSlurm) -> None:
    assert client.partitions() == ["batch", "gpu"]
    assert client.accounts() == ["research"]
    slurm.configure(qualities={"normal": "", "fast": ""})
    assert client.qualities() == ["fast", "normal"]


def test_where_no_job_could_be_watched_none_is_submitted(
    slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(slurm.bin_folder))
    (slurm.bin_folder / "squeue").unlink()
    with pytest.raises(BackendUnavailableError, match="squeue is not on PATH, though"):
        require_commands()
