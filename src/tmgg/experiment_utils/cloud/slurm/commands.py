"""The only file of the submit side that starts Slurm commands.

Each command is an argument list, never a shell string, and has a timeout. Its environment is
scrubbed, so that a submission from inside a job does not inherit that job's SLURM_* settings
(SLURM_CPU_BIND pins processes to CPUs, SBATCH_* adds options). A question without an answer raises
QueryError; nothing about any job follows from that.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tmgg.errors import BackendError, BackendUnavailableError, QueryError
from tmgg.experiment_utils.cloud.slurm import parsing
from tmgg.experiment_utils.cloud.slurm.command_lines import for_cluster, scrubbed_environment
from tmgg.experiment_utils.cloud.slurm.installed import is_installed, no_command
from tmgg.experiment_utils.cloud.slurm.refusal_words import NO_ACCOUNTING, telling

QUERY_TIMEOUT_S = 30.0


class AccountingAbsentError(QueryError):
    """The cluster has no accounting, or this machine has no sacct: asking again does not help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Its stderr; its stdout if stderr is empty."""
        return (self.stderr or self.stdout).strip()

    @property
    def words(self) -> str:
        """The text without lines that are not Slurm's errors, if there are many; see `telling`."""
        return "\n".join(telling(self.text.splitlines()))

    def checked(self) -> str:
        """The stdout. Raises QueryError if the command failed or its stdout is binary data."""
        if self.exit_code != 0:
            raise QueryError(f"{self.argv[0]} ended with {self.exit_code}: {self.words}")
        return parsing.check_answer(self.stdout, command=self.argv[0])

    def with_accounting(self) -> "Answer":
        """The answer itself. Raises AccountingAbsentError if it says there is no accounting."""
        if any(phrase in self.stderr for phrase in NO_ACCOUNTING):
            raise AccountingAbsentError(self.words)
        return self


class SlurmCommands:
    """Starts the commands of one cluster. Counts the calls, because operators want the numbers.

    `sbatch --test-only`, which submits nothing, is counted separately.
    """

    def __init__(self, cluster: str | None, *, timeout_s: float) -> None:
        """`timeout_s` is the limit of a call that has no limit of its own."""
        self._cluster = cluster
        self._timeout_s = timeout_s
        self.calls: dict[str, int] = {}

    def call(
        self, argv: Sequence[str], *, timeout_s: float | None = None, cwd: Path | None = None
    ) -> Answer:
        """What the command answered, whatever its exit code.

        Raises QueryError if there is no answer in time or the command is missing, and
        BackendUnavailableError if this machine has none of Slurm's commands.
        """
        command = argv[0]
        argv = for_cluster(argv, self._cluster)
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        counted = f"{command} --test-only" if "--test-only" in argv else command
        self.calls[counted] = self.calls.get(counted, 0) + 1
        try:
            return _run(argv, timeout_s=limit_s, cwd=cwd)
        except FileNotFoundError as error:
            if shutil.which(command) is None:
                raise _missing(command) from error
            raise QueryError(f"cannot start {command} in {cwd or Path.cwd()}: {error}") from error
        except OSError as error:
            raise QueryError(f"cannot start {command}: {error}") from error
        except subprocess.TimeoutExpired as error:
            said = f"{command} did not answer within {limit_s:g} s{_said_so_far(error)}"
            raise QueryError(said) from error


def _said_so_far(error: subprocess.TimeoutExpired) -> str:
    lines = (error.stderr or b"").decode(errors="replace").strip().splitlines()
    return f"; it said: {lines[-1]}" if lines else ""


def _missing(command: str) -> BackendError:
    """The error for a missing command.

    It is BackendUnavailableError, which ends a launch, only if all of Slurm's commands are missing.
    """
    if not is_installed():
        return BackendUnavailableError(no_command(command))
    kind = AccountingAbsentError if command == "sacct" else QueryError
    return kind(no_command(command))


def _run(argv: Sequence[str], *, timeout_s: float, cwd: Path | None) -> Answer:
    """Run to the end. On a timeout or Ctrl-C, kill the command and all that it started."""
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=scrubbed_environment(os.environ),
        cwd=cwd,
        # A new process group: a site may wrap the command in a script, whose children would go on.
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return Answer(tuple(argv), process.returncode, stdout, stderr)
