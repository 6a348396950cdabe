"""The one file that starts Slurm commands: what they get, and what becomes of ones that hang."""

import subprocess
from pathlib import Path

import pytest

from tests.fakes.slurm.fake import FakeSlurm
from tmgg.errors import BackendUnavailableError, QueryError, RefusedError
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient
from tmgg.experiment_utils.cloud.slurm.commands import AccountingAbsentError, Answer
from tmgg.experiment_utils.cloud.slurm.installed import require_commands
from tmgg.experiment_utils.cloud.slurm.sbatch_answer import ControllerSilentError


def test_nothing_of_an_enclosing_job_reaches_slurms_commands(
    client: SlurmClient, slurm: FakeSlurm, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_CPU_BIND", "SBATCH_PARTITION", "SQUEUE_FORMAT", "SRUN_X"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("SLURM_CONF", "/site/slurm.conf")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    monkeypatch.setenv("SLURMISH", "kept")
    job_id = client.submit(script, comment="c", cwd=script.parent)
    client.queue([job_id])
    for call in slurm.calls():
        assert call.env == {
            "SLURM_CONF": "/site/slurm.conf",
            "SLURM_TIME_FORMAT": "standard",
            "SLURM_BITSTR_LEN": "0",
        }
    assert slurm.only_job["environment"]["SLURMISH"] == "kept"


PROOFS = ("SLURM_JWT", "SLURM_SACK_JWKS", "SLURM_SACK_KEY", "SLURM_SACK_SOCKET")


def test_by_what_a_site_without_munge_knows_its_users_reaches_slurms_commands(
    client: SlurmClient, slurm: FakeSlurm, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROOFS:
        monkeypatch.setenv(name, f"my {name}")
    job_id = client.submit(script, comment="c", cwd=script.parent)
    client.queue([job_id])
    assert len(slurm.calls()) > 1
    for call in slurm.calls():
        assert {name: call.env.get(name) for name in PROOFS} == {
            name: f"my {name}" for name in PROOFS
        }


def test_an_sbatch_that_hangs_is_given_up_with_all_that_it_started(
    slurm: FakeSlurm, script: Path
) -> None:
    slurm.break_command("sbatch", delay_s=20)
    client = SlurmClient(submit_timeout_s=0.4)
    with pytest.raises(ControllerSilentError, match=r"sbatch did not answer within 0\.4 s"):
        client.submit(script, comment="c", cwd=script.parent)
    left = subprocess.run(["pgrep", "-f", str(script)], capture_output=True, text=True)
    assert left.stdout == ""


def test_what_a_command_said_before_it_was_given_up_is_reported(slurm: FakeSlurm) -> None:
    words = "cannot stat file /nonexistent, retrying in 1sec up to 60sec"
    command = slurm.bin_folder / "scontrol"
    command.write_text(f'#!/bin/sh\necho "{words}" >&2\nexec sleep 60\n')
    with pytest.raises(QueryError, match=rf"within 0\.4 s; it said: {words}"):
        SlurmClient(query_timeout_s=0.4).job_details("1")


def test_a_machine_without_slurm_says_so_and_what_to_use_instead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for ask in (require_commands, SlurmClient().partitions, lambda: SlurmClient().queue(["1"])):
        with pytest.raises(BackendUnavailableError) as caught:
            ask()
        message = str(caught.value)
        assert "is not on PATH: this machine has no Slurm commands" in message
        assert "hydra/launcher=tmgg_local (LocalRunner in Python)" in message


@pytest.mark.parametrize(
    ("command", "kind"),
    [("sacct", AccountingAbsentError), ("squeue", QueryError), ("scancel", QueryError)],
)
def test_one_command_that_lacks_is_named_and_the_others_go_on(
    client: SlurmClient,
    slurm: FakeSlurm,
    job_id: str,
    command: str,
    kind: type[QueryError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(slurm.bin_folder))
    (slurm.bin_folder / command).unlink()
    asks = {"sacct": client.accounting, "squeue": client.queue, "scancel": client.cancel}
    with pytest.raises(kind, match=f"{command} is not on PATH, though other commands") as caught:
        asks[command]([job_id])
    assert "no Slurm commands" not in str(caught.value)
    assert client.job_details(job_id)["JobId"] == job_id


PAGE = [f"Welcome to the cluster, line {number}" for number in range(30)]
SITE = "sbatch: error: Name the project with --account."
REFUSED = "sbatch: error: Batch job submission failed: Unspecified error"


@pytest.mark.parametrize("place", [0, 15, 30])
def test_of_a_long_answer_slurms_errors_are_told_wherever_they_stand(
    slurm: FakeSlurm, folder: Path, place: int
) -> None:
    said = "\n".join([*PAGE[:place], SITE, REFUSED, *PAGE[place:]])
    slurm.break_command("sbatch", exit_code=1, stderr=said)
    with pytest.raises(RefusedError) as caught:
        SlurmClient().submit(folder / "job.sh", comment="c", cwd=folder)
    assert str(caught.value) == f"sbatch ended with 1: {SITE}\n{REFUSED}\n[30 other lines]"


def test_of_many_errors_and_of_a_page_without_any_both_ends_are_told(slurm: FakeSlurm) -> None:
    rules = [f"sbatch: error: rule {number}" for number in range(9)]
    told = Answer(("sbatch",), 1, "", "\n".join(rules)).words.splitlines()
    assert told == [*rules[:3], "[3 more lines]", *rules[-3:]]
    told = Answer(("sbatch",), 1, "\n".join(PAGE), "").words.splitlines()
    assert told == [*PAGE[:3], "[24 more lines]", *PAGE[-3:]]


def test_a_trial_is_counted_by_itself(slurm: FakeSlurm, folder: Path) -> None:
    client = SlurmClient()
    (folder / "job.sh").write_text("#!/bin/bash\n")
    client.ask("sbatch", "--test-only", str(folder / "job.sh"), cwd=folder)
    client.submit(folder / "job.sh", comment="c", cwd=folder)
    assert client.calls == {"sbatch --test-only": 1, "sbatch": 1}
