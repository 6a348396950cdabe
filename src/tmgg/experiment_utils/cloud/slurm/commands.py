"""The only file of the submit side that starts Slurm commands.

Argument lists, never shell strings; a timeout on each; a scrubbed environment, so that a submission
from inside a job does not inherit that job's SLURM_* settings (SLURM_CPU_BIND pins, SBATCH_* adds
options). A question that got no answer is a QueryError and says nothing about any job.
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
    """This cluster keeps no accounts, or has no sacct here; it will never answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it said where it failed; what it answered where it did not."""
        return (self.stderr or self.stdout).strip()

    @property
    def words(self) -> str:
        """Slurm's own words, in short."""
        return "\n".join(telling(self.text.splitlines()))

    def checked(self) -> str:
        """The stdout; QueryError where the command failed or said what nobody can read."""
        if self.exit_code != 0:
            raise QueryError(f"{self.argv[0]} ended with {self.exit_code}: {self.words}")
        return parsing.check_answer(self.stdout, command=self.argv[0])

    def with_accounting(self) -> "Answer":
        """Itself; AccountingAbsentError where it says that there are no accounts."""
        if any(phrase in self.stderr for phrase in NO_ACCOUNTING):
            raise AccountingAbsentError(self.words)
        return self


class SlurmCommands:
    """Starts the commands of one cluster. Counts its calls, because operators ask.

    `sbatch --test-only`, which submits nothing, has a count of its own.
    """

    def __init__(self, cluster: str | None, *, timeout_s: float) -> None:
        """`timeout_s` is for a call that gives none."""
        self._cluster = cluster
        self._timeout_s = timeout_s
        self.calls: dict[str, int] = {}

    def call(
        self, argv: Sequence[str], *, timeout_s: float | None = None, cwd: Path | None = None
    ) -> Answer:
        """What the command said, whatever its exit code.

        Raises QueryError when there is no answer in time, or no such command;
        BackendUnavailableError where Slurm is not on this machine at all.
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
    """A login node may have some commands only; one that lacks ends no launch."""
    if not is_installed():
        return BackendUnavailableError(no_command(command))
    kind = AccountingAbsentError if command == "sacct" else QueryError
    return kind(no_command(command))


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
