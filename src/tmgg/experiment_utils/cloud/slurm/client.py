"""Questions and orders to Slurm about jobs: the command line of each, and what its answer means.

A question without an answer raises QueryError; nothing about any job follows from that.
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

# Limit of the question for the cluster's name, which a process asks before its first sbatch. The
# sbatch has its own limit.
CLUSTER_TIMEOUT_S = 10.0
SUBMIT_TIMEOUT_S = 90.0


class SlurmClient:
    """Sends questions and orders to Slurm. Counts the calls, because operators want the numbers."""

    def __init__(
        self,
        *,
        cluster: str | None = None,
        query_timeout_s: float = QUERY_TIMEOUT_S,
        submit_timeout_s: float = SUBMIT_TIMEOUT_S,
    ) -> None:
        """Questions and orders go to `cluster`; None is the cluster of this machine."""
        self._cluster = cluster
        self._submit_timeout_s = submit_timeout_s
        self._commands = SlurmCommands(cluster, timeout_s=query_timeout_s)
        self.calls = self._commands.calls
        self.submitted_to: dict[str, str] = {}
        """Cluster by job id, for jobs for which sbatch named a cluster."""
        self.places: dict[str, Places] = {}
        """Script and log of jobs that were looked up, by job and submit time; see `job_places`."""
        self.silent: dict[str, str] = {}
        """The last error of each source that does not answer now; see `view`."""
        self._accounting_fields = list(parsing.ACCOUNTING_FIELDS)

    def cluster(self) -> str | None:
        """The name of the cluster that answers here; None if Slurm did not say it.

        Once the name is known, the process keeps it and does not ask again.
        """
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
        """Call sbatch once. Returns the job's id.

        Raises RefusedError if Slurm refused the job, SubmissionError for a limit that may pass, and
        SubmitLimitError if Slurm takes no more jobs of this user now. Slurm may have the job after
        ControllerSilentError (no answer) and SubmissionUnknownError (an answer that is not Slurm's:
        a site's wrapper may fail after the real sbatch succeeded).
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
        """What the controller knows about these jobs, finished jobs included.

        An element of an array has two keys: its place in the array (`77_3`), and the number that
        Slurm gave it when it began.
        """
        found: dict[str, QueueEntry] = {}
        for chunk in chunks(whole_arrays(job_ids)):
            for entry in self._ask_about(chunk):
                for name in (entry.job_id, *parsing.parse_elements(entry.array_id)):
                    found[name] = entry
        return found

    def knows(self, job_id: str) -> bool:
        """Whether the controller knows a job; for an element, whether it knows the element's array.

        An answer about several jobs omits unknown jobs, but a job can also be missing because the
        answer was cut. For a single unknown job, the controller says that its id is invalid. Raises
        QueryError if the answer neither says so nor lists the job.
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
            # Some releases refuse the whole question because of one unknown job.
            middle = len(job_ids) // 2
            return self._ask_about(job_ids[:middle]) + self._ask_about(job_ids[middle:])
        return parsing.parse_queue(answer.checked())

    def find_by_comment(self, comment: str) -> str | None:
        """The newest job of this user whose comment is `comment`; None if there is none."""
        answer = self._own_queue()
        entries = parsing.parse_queue(answer.checked())
        matching = [base_of(entry.array_id) for entry in entries if entry.comment == comment]
        return max(matching, key=int, default=None)

    def find_by_script(self, script: Path) -> str | None:
        """The newest job of this user that was submitted with this script, or None.

        The job's comment does not matter.
        """
        answer = self._own_queue(parsing.SCRIPT_FIELDS)
        listed = parsing.parse_scripts(answer.checked())
        matching = [base_of(job) for job, command in listed if command == str(script)]
        return max(matching, key=int, default=None)

    def accounting(self, job_ids: Sequence[str]) -> dict[str, AccountingEntry]:
        """What the accounting database knows about these jobs.

        Raises AccountingAbsentError if there is no such database.
        """
        found: dict[str, AccountingEntry] = {}
        for chunk in chunks(whole_arrays(job_ids)):
            for entry in self._sacct(f"--jobs={','.join(chunk)}"):
                elements = parsing.parse_elements(entry.job_id)
                if elements == [entry.job_id]:
                    found[entry.job_id] = entry
                # A line about a list is from before its elements began: an element's own line wins.
                for name in elements:
                    found.setdefault(name, entry)
        return found

    def find_by_submit_line(self, text: str, *, since: float) -> str | None:
        """The newest job of this user that has `text` in its sbatch command line; None if none has.

        Only jobs submitted after `since` (Unix time) count.
        """
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
        """Ask Slurm to end jobs. Raises QueryError if scancel fails.

        It is no error if a job has ended already.
        """
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
        """Accounts that this user may charge. Raises QueryError if the site has no accounting."""
        return self._of_associations("account")

    def qualities(self) -> list[str]:
        """QOS that this user may name. Raises as `accounts`."""
        lists = self._of_associations("qos")
        return sorted({name for each in lists for name in each.split(",")})

    def _of_associations(self, field: str) -> list[str]:
        whose = f"user={user_name(os.getuid())}"
        options = ["--noheader", "--parsable2"]
        argv = ["sacctmgr", *options, "show", "assoc", whose, f"format={field}"]
        return sorted(set(self._commands.call(argv).checked().split()))

    def hostnames(self, expression: str) -> list[str]:
        """The names of the nodes in a Slurm host list such as `node[1-3]`."""
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
        # --all includes hidden partitions; only a question with --jobs includes them by default.
        return self._queue_answer(f"--user={os.getuid()}", fields, more=("--all",))

    def _queue_answer(
        self,
        selection: str,
        fields: Sequence[str] = parsing.QUEUE_FIELDS,
        *,
        more: Sequence[str] = (),
    ) -> Answer:
        # With the header, which shows that an answer without jobs is an answer.
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
        """Whether sacct refused because it lacks a field. Such a field is not asked for again."""
        name = None if answer.exit_code == 0 else parsing.unknown_field(answer.stderr)
        if name not in self._accounting_fields or name in parsing.NEEDED_ACCOUNTING_FIELDS:
            return False
        log.warning("this release of sacct has no field %s; it is left out", name)
        self._accounting_fields.remove(name)
        return True

    def ask(self, *argv: str, cwd: Path | None = None, timeout_s: float | None = None) -> Answer:
        """The answer to any question, whatever its exit code.

        Raises QueryError if there is no answer in time or the command is missing,
        AccountingAbsentError if the answer says that there is no accounting, and
        BackendUnavailableError if this machine has none of Slurm's commands.
        """
        return self._commands.call(argv, cwd=cwd, timeout_s=timeout_s).with_accounting()

    def ask_checked(self, *argv: str) -> str:
        """The stdout of the answer. Raises as `ask`, and QueryError if the exit code is not 0."""
        return self.ask(*argv).checked()
