"""The only file that starts Slurm commands.

Argument lists, never shell strings; a timeout on each; a scrubbed environment, so that a submission
from inside a job does not inherit that job's SLURM_* settings (SLURM_CPU_BIND pins, SBATCH_* adds
options). A question that got no answer is a QueryError and says nothing about any job.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import (
    BackendUnavailableError,
    QueryError,
    SubmissionError,
    SubmissionUnknownError,
    SubmitLimitError,
)
from tmgg.experiment_utils.cloud.slurm import parsing
from tmgg.experiment_utils.cloud.slurm.parsing import AccountingEntry, QueueEntry

QUERY_TIMEOUT_S = 30.0
SUBMIT_TIMEOUT_S = 90.0
# About 8 bytes an id; Linux allows 128 KiB for one argument.
IDS_PER_QUERY = 5_000
_COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "scancel", "sinfo", "sacctmgr", "srun")
_INHERITED = ("SLURM_", "SBATCH_", "SRUN_", "SALLOC_", "SQUEUE_", "SACCT_", "SCANCEL_", "SINFO_")
_KEPT = ("SLURM_CONF",)

# sbatch's words before the reason for which the controller refused a job.
REFUSED = "Batch job submission failed:"
# Its words for limits on the jobs that a user may have in the queue: there is room again later.
SUBMIT_LIMIT = re.compile(r"\b(QOS|Assoc)\w*Submit\w*Limit\w*")
NO_SUCH_ARRAY = "Invalid job array specification"
# The controller did not answer, or its answer was lost: the job may or may not be in.
UNCERTAIN = (
    "Unable to contact slurm controller",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Unexpected message received",
    "Unexpected missing socket error",
    "Connection refused",
    "Connection timed out",
    "Connection reset",
    "Transport endpoint is not connected",
    "Slurm temporarily unable to accept job",
    "Slurm controller not responding",
    "Resource temporarily unavailable",
    "Communication connection failure",
    "Address already in use",
    "Munge encode failed",
    "Invalid authentication credential",
    "Protocol authentication error",
    "in standby mode",
)
# The command ended before it asked anybody: no controller is known here.
_NOT_CONFIGURED = ("Could not establish a configuration source", "Unable to process configuration")
_NO_SUCH_JOB = ("Invalid job id specified", "Invalid job array specified")
_NO_ACCOUNTING = ("accounting storage is disabled", "not running a supported accounting_storage")


class AccountingAbsentError(QueryError):
    """This cluster keeps no accounts; sacct will never answer."""


class ControllerSilentError(SubmissionUnknownError):
    """The controller did not answer sbatch in time; trying again may help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """Slurm's own words, in short."""
        text = (self.stderr or self.stdout).strip()
        return "\n".join(text.splitlines()[-6:])


class SlurmClient:
    """Asks and tells Slurm. Counts its calls, because operators ask."""

    def __init__(
        self,
        *,
        query_timeout_s: float = QUERY_TIMEOUT_S,
        submit_timeout_s: float = SUBMIT_TIMEOUT_S,
    ) -> None:
        self._query_timeout_s = query_timeout_s
        self._submit_timeout_s = submit_timeout_s
        self.calls: dict[str, int] = {}

    def submit(self, script: Path, *, comment: str, cwd: Path) -> str:
        """One sbatch; the job's id.

        Raises SubmissionError when Slurm refused (SubmitLimitError when it only has no room for
        more jobs of this user now), ControllerSilentError when the controller did
        not answer, SubmissionUnknownError when the answer is none of Slurm's (a site's wrapper may
        fail after the real sbatch succeeded): in both cases the job may be in.
        """
        argv = submit_argv(script, comment=comment)
        try:
            answer = self._call(argv, timeout_s=self._submit_timeout_s, cwd=cwd)
        except QueryError as error:
            raise ControllerSilentError(str(error)) from error
        job_id = parsing.parse_submitted(answer.stdout)
        if answer.exit_code == 0 and job_id is not None:
            return job_id
        said = f"sbatch ended with {answer.exit_code}: {answer.words or 'it said nothing'}"
        if knows_no_cluster(answer.stderr):
            raise SubmissionError(
                f"Slurm's commands are here, but they know of no cluster: {answer.words}\n"
                f"{_ELSEWHERE}"
            )
        if any(phrase in answer.stderr for phrase in UNCERTAIN):
            raise ControllerSilentError(said)
        if REFUSED in answer.stderr and answer.exit_code > 0:
            full = SUBMIT_LIMIT.search(answer.stderr)
            raise SubmitLimitError(said) if full else SubmissionError(said)
        raise SubmissionUnknownError(said)

    def queue(self, job_ids: Sequence[str]) -> dict[str, QueueEntry]:
        """What the controller knows of these jobs, finished ones included.

        An element of an array is found by its place in the array, and by the number that Slurm gave
        it when it began.
        """
        found: dict[str, QueueEntry] = {}
        for chunk in _chunks(_whole_arrays(job_ids)):
            for entry in self._squeue(f"--jobs={','.join(chunk)}"):
                for name in (entry.job_id, *parsing.parse_elements(entry.array_id)):
                    found[name] = entry
        return found

    def find_by_comment(self, comment: str) -> str | None:
        """The job of this user whose comment is `comment`; the newest, should there be several."""
        entries = self._squeue(f"--user={os.getuid()}")
        matching = [_base(entry.array_id) for entry in entries if entry.comment == comment]
        return max(matching, key=int, default=None)

    def accounting(self, job_ids: Sequence[str]) -> dict[str, AccountingEntry]:
        """What the database knows of these jobs; AccountingAbsentError where there is none."""
        found: dict[str, AccountingEntry] = {}
        for chunk in _chunks(_whole_arrays(job_ids)):
            for entry in self._sacct(f"--jobs={','.join(chunk)}"):
                elements = parsing.parse_elements(entry.job_id)
                if elements == [entry.job_id]:
                    found[entry.job_id] = entry
                # The line about those that have not begun is old: their own lines count.
                for name in elements:
                    found.setdefault(name, entry)
        return found

    def find_by_submit_line(self, text: str, *, since: float) -> str | None:
        """The job of this user whose sbatch command line holds `text`, submitted after `since`."""
        start = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since))
        entries = self._sacct(f"--user={os.getuid()}", f"--starttime={start}")
        matching = [_base(entry.job_id) for entry in entries if text in entry.submit_line]
        return max(matching, key=int, default=None)

    def job_details(self, job_id: str) -> dict[str, str]:
        """`scontrol show job` as a mapping; empty when the controller does not know the job."""
        answer = self._call(["scontrol", "--oneliner", "show", "job", job_id])
        if any(phrase in answer.stderr for phrase in _NO_SUCH_JOB):
            return {}
        return parsing.parse_key_values(self._checked(answer))

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ask Slurm to end jobs; ones that have ended are no error. Raises QueryError otherwise."""
        for chunk in _chunks(parsing.render_elements(job_ids)):
            answer = self._call(["scancel", *chunk])
            complaints = [
                line
                for line in answer.stderr.splitlines()
                if line.strip() and not any(phrase in line for phrase in _NO_SUCH_JOB)
            ]
            if answer.exit_code != 0 and complaints:
                raise QueryError(f"scancel ended with {answer.exit_code}: {answer.words}")

    def partitions(self) -> list[str]:
        """Names of the partitions that exist."""
        answer = self._call(["sinfo", "--noheader", "--format=%R"])
        return sorted(set(self._checked(answer).split()))

    def accounts(self) -> list[str]:
        """Accounts this user may charge; raises QueryError where accounting is absent."""
        argv = [
            "sacctmgr",
            "--noheader",
            "--parsable2",
            "show",
            "assoc",
            f"user={user_name()}",
            "format=account",
        ]
        return sorted(set(self._checked(self._call(argv)).split()))

    def hostnames(self, expression: str) -> list[str]:
        """The nodes that `node[1-3]` stands for."""
        return self._checked(self._call(["scontrol", "show", "hostnames", expression])).split()

    def run_on_nodes(
        self, argv: Sequence[str], *, job_id: str, nodes: int, timeout_s: float
    ) -> Answer:
        """Run a command once on each node of a job this process is part of."""
        step = [
            "srun",
            f"--jobid={job_id}",
            "--overlap",
            f"--nodes={nodes}",
            f"--ntasks={nodes}",
            "--ntasks-per-node=1",
            "--kill-on-bad-exit=0",
        ]
        return self._call([*step, *argv], timeout_s=timeout_s)

    def _squeue(self, selection: str) -> list[QueueEntry]:
        fields = ",".join(f"{field}:{parsing.QUEUE_SEPARATOR}" for field in parsing.QUEUE_FIELDS)
        argv = ["squeue", "--noheader", "--array", "--states=all", selection, f"--Format={fields}"]
        answer = self._call(argv)
        if any(phrase in answer.stderr for phrase in _NO_SUCH_JOB):
            return []
        return parsing.parse_queue(self._checked(answer))

    def _sacct(self, *selection: str) -> list[AccountingEntry]:
        argv = [
            "sacct",
            "--noheader",
            "--parsable2",
            f"--delimiter={parsing.ACCOUNTING_SEPARATOR}",
            f"--format={','.join(parsing.ACCOUNTING_FIELDS)}",
            *selection,
        ]
        answer = self._call(argv)
        if any(phrase in answer.stderr for phrase in _NO_ACCOUNTING):
            raise AccountingAbsentError(answer.words)
        return parsing.parse_accounting(self._checked(answer))

    def ask(self, *argv: str, cwd: Path | None = None) -> Answer:
        """Any question, whatever its exit code; AccountingAbsentError where there are no accounts.

        Raises QueryError when there is no answer in time, BackendUnavailableError when the command
        is not on this machine.
        """
        answer = self._call(argv, cwd=cwd)
        if any(phrase in answer.stderr for phrase in _NO_ACCOUNTING):
            raise AccountingAbsentError(answer.words)
        return answer

    def ask_checked(self, *argv: str) -> str:
        """The stdout of a question that was answered; raises as `ask`, and for an exit code."""
        return self._checked(self.ask(*argv))

    def _checked(self, answer: Answer) -> str:
        if answer.exit_code != 0:
            raise QueryError(f"{answer.argv[0]} ended with {answer.exit_code}: {answer.words}")
        return parsing.check_answer(answer.stdout, command=answer.argv[0])

    def _call(
        self, argv: Sequence[str], *, timeout_s: float | None = None, cwd: Path | None = None
    ) -> Answer:
        command = argv[0]
        limit_s = self._query_timeout_s if timeout_s is None else timeout_s
        self.calls[command] = self.calls.get(command, 0) + 1
        try:
            return _run(argv, timeout_s=limit_s, cwd=cwd)
        except FileNotFoundError as error:
            if shutil.which(command) is None:
                raise BackendUnavailableError(_no_command(command)) from error
            raise QueryError(f"cannot start {command} in {cwd or Path.cwd()}: {error}") from error
        except OSError as error:
            raise QueryError(f"cannot start {command}: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise QueryError(f"{command} did not answer within {limit_s:g} s") from error


def _run(argv: Sequence[str], *, timeout_s: float, cwd: Path | None) -> Answer:
    """Run to the end; on a timeout or Ctrl-C the command ends with all that it started."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=scrubbed_environment(os.environ),
        cwd=cwd,
        # A group of its own: sites wrap these commands in scripts, whose children would live on.
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return Answer(tuple(argv), process.returncode, stdout, stderr)


def submit_argv(script: Path, *, comment: str) -> list[str]:
    """The sbatch command line."""
    return ["sbatch", "--parsable", f"--comment={comment}", str(script)]


def scrubbed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what an enclosing job or the user's shell says to Slurm commands."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in _KEPT or not name.startswith(_INHERITED)
    }
    # Lists of an array's elements are cut after 64 characters otherwise.
    return kept | {"SLURM_TIME_FORMAT": "standard", "SLURM_BITSTR_LEN": "0"}


def missing_commands() -> list[str]:
    """The Slurm commands TMGG uses that are not on PATH."""
    return [name for name in _COMMANDS if shutil.which(name) is None]


def knows_no_cluster(words: str) -> bool:
    """Whether Slurm's words mean that it is installed here but not configured."""
    return any(phrase in words for phrase in _NOT_CONFIGURED)


def require_commands() -> None:
    """Raises BackendUnavailableError, with what to use instead, where Slurm is not installed."""
    if shutil.which("sbatch") is None:
        raise BackendUnavailableError(_no_command("sbatch"))


_ELSEWHERE = (
    "Log in to a cluster's login node, or run here with hydra/launcher=tmgg_local (LocalRunner in "
    "Python)."
)


def _no_command(command: str) -> str:
    return f"{command} is not on PATH: this machine has no Slurm commands. {_ELSEWHERE}"


def _chunks(job_ids: Sequence[str]) -> Iterable[Sequence[str]]:
    for start in range(0, len(job_ids), IDS_PER_QUERY):
        yield job_ids[start : start + IDS_PER_QUERY]


def _base(job_id: str) -> str:
    """The job as sbatch named it: the array, for one of its elements."""
    return job_id.partition("_")[0]


def _whole_arrays(job_ids: Sequence[str]) -> list[str]:
    # A question about a whole array is short, however many of its elements are meant.
    return list(dict.fromkeys(_base(job_id) for job_id in job_ids))


def user_name() -> str:
    """Of whoever runs this process, whatever the environment says."""
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
