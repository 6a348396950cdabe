"""Slurm as questions and orders about jobs: which command line each is, and what it says.

A question that got no answer is a QueryError and says nothing about any job.
"""

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

from tmgg.errors import BackendError, QueryError
from tmgg.experiment_utils.cloud.judging.job_identity import Places
from tmgg.experiment_utils.cloud.slurm import cluster_names, parsing
from tmgg.experiment_utils.cloud.slurm.command_lines import submit_argv
from tmgg.experiment_utils.cloud.slurm.commands import QUERY_TIMEOUT_S, Answer, SlurmCommands
from tmgg.experiment_utils.cloud.slurm.job_ids import base_of, chunks, whole_arrays
from tmgg.experiment_utils.cloud.slurm.parsing import AccountingEntry, QueueEntry
from tmgg.experiment_utils.cloud.slurm.refusal_words import NO_SUCH_JOB
from tmgg.experiment_utils.cloud.slurm.sbatch_answer import ControllerSilentError, parse_job
from tmgg.experiment_utils.files.accounts import user_name

log = logging.getLogger(__name__)

# The name of the cluster is asked for before each first sbatch, which has its own patience.
CLUSTER_TIMEOUT_S = 10.0
SUBMIT_TIMEOUT_S = 90.0


class SlurmClient:
    """Asks and tells Slurm. Counts its calls, because operators ask."""

    def __init__(
        self,
        *,
        cluster: str | None = None,
        query_timeout_s: float = QUERY_TIMEOUT_S,
        submit_timeout_s: float = SUBMIT_TIMEOUT_S,
    ) -> None:
        """`cluster` is the one to ask and tell, of several; None is the one of this machine."""
        self._cluster = cluster
        self._submit_timeout_s = submit_timeout_s
        self._commands = SlurmCommands(cluster, timeout_s=query_timeout_s)
        self.calls = self._commands.calls
        self.submitted_to: dict[str, str] = {}
        """By job: the cluster, where sbatch named one."""
        self.places: dict[str, Places] = {}
        """Where the jobs write that were asked about; see `job_places`."""
        self.silent: dict[str, str] = {}
        """What each source that does not answer said last; see `view`."""
        self._accounting_fields = list(parsing.ACCOUNTING_FIELDS)

    def cluster(self) -> str | None:
        """The name of the cluster that answers here, asked for once in a process; or None."""
        if cluster_names.may_ask(self._cluster):
            try:
                self.configuration(timeout_s=CLUSTER_TIMEOUT_S)
            except BackendError as error:
                log.info("the cluster does not say its name: %s", error)
        return cluster_names.known(self._cluster)

    def configuration(self, *, timeout_s: float | None = None) -> str:
        """The controller's settings as it prints them. Raises QueryError."""
        answer = self._commands.call(["scontrol", "show", "config"], timeout_s=timeout_s)
        text = answer.checked()
        if (name := parsing.parse_cluster(text)) is not None:
            cluster_names.note(self._cluster, name)  # so `cluster` need not ask
        return text

    def submit(self, script: Path, *, comment: str, cwd: Path) -> str:
        """One sbatch; the job's id.

        Raises RefusedError when Slurm refused, SubmissionError for a limit that may pass,
        SubmitLimitError when it has no room for more jobs of this user now. The job may be in with
        ControllerSilentError (no answer) and SubmissionUnknownError (an answer that is none of
        Slurm's: a site's wrapper may fail after the real sbatch succeeded).
        """
        argv = submit_argv(script, comment=comment)
        try:
            answer = self._commands.call(argv, timeout_s=self._submit_timeout_s, cwd=cwd)
        except QueryError as error:
            raise ControllerSilentError(str(error)) from error
        job_id, cluster = parse_job(answer)
        if cluster is not None:
            self.submitted_to[job_id] = cluster
        return job_id

    def queue(self, job_ids: Sequence[str]) -> dict[str, QueueEntry]:
        """What the controller knows of these jobs, finished ones included.

        An element of an array is found by its place in the array, and by the number that Slurm gave
        it when it began.
        """
        found: dict[str, QueueEntry] = {}
        for chunk in chunks(whole_arrays(job_ids)):
            for entry in self._ask_about(chunk):
                for name in (entry.job_id, *parsing.parse_elements(entry.array_id)):
                    found[name] = entry
        return found

    def knows(self, job_id: str) -> bool:
        """Whether the controller knows a job at all; for an element, its array.

        An answer about several jobs leaves those out that it does not know, and what is left out
        may also have been cut off. About a single one the controller says that its id is invalid.
        """
        answer = self._queue_answer(f"--jobs={base_of(job_id)}")
        if answer.exit_code != 0 and any(phrase in answer.stderr for phrase in NO_SUCH_JOB):
            return False
        entries = parsing.parse_queue(answer.checked())
        if not any(base_of(entry.array_id) == base_of(job_id) for entry in entries):
            raise QueryError(f"squeue says neither that job {job_id} is there nor that it is not")
        return True

    def _ask_about(self, job_ids: Sequence[str]) -> list[QueueEntry]:
        answer = self._queue_answer(f"--jobs={','.join(job_ids)}")
        if answer.exit_code != 0 and any(phrase in answer.stderr for phrase in NO_SUCH_JOB):
            if len(job_ids) == 1:
                return []
            # A release that refuses the whole question because of one of them.
            middle = len(job_ids) // 2
            return self._ask_about(job_ids[:middle]) + self._ask_about(job_ids[middle:])
        return parsing.parse_queue(answer.checked())

    def find_by_comment(self, comment: str) -> str | None:
        """The job of this user whose comment is `comment`; the newest, should there be several."""
        answer = self._own_queue()
        entries = parsing.parse_queue(answer.checked())
        matching = [base_of(entry.array_id) for entry in entries if entry.comment == comment]
        return max(matching, key=int, default=None)

    def find_by_script(self, script: Path) -> str | None:
        """The newest job of this user that was submitted as this script, whatever its comment."""
        answer = self._own_queue(parsing.SCRIPT_FIELDS)
        listed = parsing.parse_scripts(answer.checked())
        matching = [base_of(job) for job, command in listed if command == str(script)]
        return max(matching, key=int, default=None)

    def accounting(self, job_ids: Sequence[str]) -> dict[str, AccountingEntry]:
        """What the database knows of these jobs; AccountingAbsentError where there is none."""
        found: dict[str, AccountingEntry] = {}
        for chunk in chunks(whole_arrays(job_ids)):
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
        matching = [base_of(entry.job_id) for entry in entries if text in entry.submit_line]
        return max(matching, key=int, default=None)

    def job_details(self, job_id: str) -> dict[str, str]:
        """`scontrol show job` as a mapping; empty when the controller does not know the job."""
        answer = self._commands.call(["scontrol", "--oneliner", "show", "job", job_id])
        if any(phrase in answer.stderr for phrase in NO_SUCH_JOB):
            return {}
        return parsing.parse_key_values(answer.checked())

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Ask Slurm to end jobs; ones that have ended are no error. Raises QueryError otherwise."""
        for chunk in chunks(parsing.render_elements(job_ids)):
            answer = self._commands.call(["scancel", *chunk])
            complaints = [
                line
                for line in answer.stderr.splitlines()
                if line.strip() and not any(phrase in line for phrase in NO_SUCH_JOB)
            ]
            if answer.exit_code != 0 and complaints:
                raise QueryError(f"scancel ended with {answer.exit_code}: {answer.words}")

    def partitions(self) -> list[str]:
        """Names of the partitions that exist."""
        answer = self._commands.call(["sinfo", "--noheader", "--format=%R"])
        return sorted(set(answer.checked().split()))

    def accounts(self) -> list[str]:
        """Accounts this user may charge; raises QueryError where accounting is absent."""
        return self._of_associations("account")

    def qualities(self) -> list[str]:
        """QOS that this user may name; raises as `accounts`."""
        lists = self._of_associations("qos")
        return sorted({name for each in lists for name in each.split(",")})

    def _of_associations(self, field: str) -> list[str]:
        whose = f"user={user_name(os.getuid())}"
        options = ["--noheader", "--parsable2"]
        argv = ["sacctmgr", *options, "show", "assoc", whose, f"format={field}"]
        return sorted(set(self._commands.call(argv).checked().split()))

    def hostnames(self, expression: str) -> list[str]:
        """The nodes that `node[1-3]` stands for."""
        return self._commands.call(["scontrol", "show", "hostnames", expression]).checked().split()

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
        return self._commands.call([*step, *argv], timeout_s=timeout_s)

    def _own_queue(self, fields: Sequence[str] = parsing.QUEUE_FIELDS) -> Answer:
        # Hidden partitions, too: only a question about named jobs (--jobs) looks there by itself.
        return self._queue_answer(f"--user={os.getuid()}", fields, more=("--all",))

    def _queue_answer(
        self,
        selection: str,
        fields: Sequence[str] = parsing.QUEUE_FIELDS,
        *,
        more: Sequence[str] = (),
    ) -> Answer:
        # With the header: it tells an empty answer from none.
        columns = ",".join(f"{field}:{parsing.QUEUE_SEPARATOR}" for field in fields)
        argv = ["squeue", *more, "--array", "--states=all", selection, f"--Format={columns}"]
        return self._commands.call(argv)

    def _sacct(self, *selection: str) -> list[AccountingEntry]:
        while True:
            fields = list(self._accounting_fields)
            argv = [
                "sacct",
                "--noheader",
                "--parsable2",
                f"--delimiter={parsing.ACCOUNTING_SEPARATOR}",
                f"--format={','.join(fields)}",
                *selection,
            ]
            answer = self._commands.call(argv).with_accounting()
            if not self._leave_out_unknown(answer):
                return parsing.parse_accounting(answer.checked(), fields)

    def _leave_out_unknown(self, answer: Answer) -> bool:
        """Whether sacct refused for a field that it lacks, which is not asked for again."""
        name = None if answer.exit_code == 0 else parsing.unknown_field(answer.stderr)
        if name not in self._accounting_fields or name in parsing.NEEDED_ACCOUNTING_FIELDS:
            return False
        log.warning("this release of sacct has no field %s; it is left out", name)
        self._accounting_fields.remove(name)
        return True

    def ask(self, *argv: str, cwd: Path | None = None, timeout_s: float | None = None) -> Answer:
        """Any question, whatever its exit code; AccountingAbsentError where there are no accounts.

        Raises QueryError when there is no answer in time, or no such command;
        BackendUnavailableError where Slurm is not on this machine at all.
        """
        return self._commands.call(argv, cwd=cwd, timeout_s=timeout_s).with_accounting()

    def ask_checked(self, *argv: str) -> str:
        """The stdout of a question that was answered; raises as `ask`, and for an exit code."""
        return self.ask(*argv).checked()
