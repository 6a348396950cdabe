"""Runs as processes of this machine, with the same records and verdicts as on a cluster.

A small supervisor (`supervisor/supervise.py`) takes the place of a job script: it starts the
experiment in a new session, waits, and leaves the exit record. So a run can outlive the process
that spawned it, and any process can ask for its result.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tmgg.errors import ConfigError, QueryError, SubmissionError
from tmgg.experiment_utils.cloud.backend import Backend, BackendTraits, Whereabouts
from tmgg.experiment_utils.cloud.judging.adoption import adopt_or_close
from tmgg.experiment_utils.cloud.judging.other_host import (
    host_of,
    is_of_this_host,
    seen_from_here,
    where_it_is,
)
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.hints import LOCAL_HINTS
from tmgg.experiment_utils.cloud.local.other_namespace import seen_across_namespaces
from tmgg.experiment_utils.cloud.local.reservations import Wish, available_cpus, is_waiting
from tmgg.experiment_utils.cloud.options import parse_options
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.process_names import process_name, process_start
from tmgg.experiment_utils.run_folder.paths import JobFolder, SubmissionPaths, resolve_output_dir
from tmgg.experiment_utils.run_folder.registry import RunRecord, new_intent, note_job
from tmgg.experiment_utils.supervisor.gpus import find_gpus

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 1.0
GRACE_S = 5.0
_WHAT = "it is a process of"


class LocalBackend(Backend):
    """Runs experiments as processes of this machine. `gpu_type` is accepted but has no effect."""

    def __init__(self, config: LocalConfig, *, name: str = "local") -> None:
        """Relative paths are resolved against the current working directory."""
        base_dir = Path.cwd()
        self.traits = BackendTraits(
            name=name,
            output_dir=resolve_output_dir(config.output_dir, base_dir),
            base_dir=base_dir,
            settings=asdict(config),
            hints=LOCAL_HINTS,
            poll_interval_s=POLL_INTERVAL_S,
            grace_s=GRACE_S,
            default_timeout_s=config.timeout_seconds,
            shares_environment=True,
            map_parallelism=len(available_cpus()),
        )

    def check(self, submission: SubmissionPaths, *, gpu_type: str | None) -> None:
        _check_room(self.traits.settings)

    def write(
        self,
        draft: SubmissionPaths,
        final: SubmissionPaths,
        *,
        gpu_type: str | None,
        changes: RetryChanges | None,
    ) -> None:
        write_json(draft.intent, new_intent(final).to_json())

    def start(self, submission: SubmissionPaths, record: RunRecord) -> str:
        run = submission.run_paths
        if submission.number > 1:  # it may start with fewer CPUs; `check` covers the first only
            try:
                _check_room(record.settings)
            except ConfigError as error:
                raise SubmissionError(str(error)) from error
        argv = [sys.executable, "-m", "tmgg.experiment_utils.supervisor.supervise"]
        try:
            with run.stdout.open("ab") as stdout, run.stderr.open("ab") as stderr:
                process = subprocess.Popen(
                    [*argv, str(submission.folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    cwd=record.base_dir,
                    start_new_session=True,
                )
        except OSError as error:
            raise SubmissionError(f"cannot start {sys.executable}: {error}") from error
        job_id = process_name(process.pid)
        _reap_when_over(process)
        note_job(submission, job_id)
        return job_id

    def adopt(self, folder: JobFolder) -> str | None:
        assert isinstance(folder, SubmissionPaths)  # it submits no batches
        return adopt_or_close(folder)

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        return {job_id: view_process(job_id) for job_id in job_ids}

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        for job_id in job_ids:
            _cancel(job_id)

    def whereabouts(self, submission: SubmissionPaths) -> Whereabouts:
        found = seen_from_here(submission, what=_WHAT)
        return found if found.elsewhere else seen_across_namespaces(submission)


def _cancel(job_id: str) -> None:
    if not is_of_this_host(job_id):
        where = where_it_is(host_of(job_id), _WHAT)
        raise QueryError(f"process {job_id} is not ended: {where}")
    pid = _live_pid(job_id)
    if pid is not None:
        # The supervisor ends the experiment's whole session and leaves the exit record.
        os.kill(pid, signal.SIGTERM)


class LocalRunner(CloudRunner):
    """Runs experiments as processes of this machine."""

    def __init__(self, local_config: LocalConfig | None = None, *, name: str = "local") -> None:
        self.config = local_config or LocalConfig()
        super().__init__(RecordedRuns(LocalBackend(self.config, name=name)))


def _check_room(settings: Mapping[str, Any]) -> None:
    """Raise ConfigError for a run that would wait for ever on this machine."""
    wish = Wish.of_settings(settings)
    asks = [
        ("cpus_per_run", wish.cpus, available_cpus),
        ("gpus_per_run", wish.gpus, find_gpus),
    ]
    for name, asked, find in asks:
        if asked is not None and asked > (count := len(find())):
            raise ConfigError(
                f"{name}={asked} is more than this process may use on this machine: {count}; "
                "ask for less"
            )


def view_process(job_id: str) -> JobView | None:
    """The view of a run's supervisor. None if it is on another machine, or if looking failed.

    A job id holds the supervisor's pid, start time and host, so that no other process is mistaken
    for it.
    """
    if not is_of_this_host(job_id):
        return None
    try:
        pid = _live_pid(job_id)
    except OSError as error:
        log.warning("cannot find out whether process %s is alive: %s", job_id, error)
        return None
    if pid is not None and is_waiting(pid):
        reason = "waiting for CPUs or GPUs of this machine"
        return JobView(phase="pending", state="WAITING", reason=reason, restarts=0)
    if pid is not None:
        return JobView(phase="running", state="RUNNING", restarts=0)
    return JobView(phase="ended", state="ENDED", restarts=0)


_children: dict[int, subprocess.Popen[bytes]] = {}


def _reap_when_over(process: subprocess.Popen[bytes]) -> None:
    """Wait for the supervisor in a thread: without that it would stay a zombie after its end."""
    _children[process.pid] = process

    def wait() -> None:
        process.wait()
        _children.pop(process.pid, None)

    # At the end of the program Python 3.12.0 and 3.12.1 start no thread; zombies end with it.
    with contextlib.suppress(RuntimeError):
        threading.Thread(target=wait, name=f"tmgg-{process.pid}", daemon=True).start()


def _live_pid(job_id: str) -> int | None:
    pid_text, _, start = job_id.partition("@")[0].partition(".")
    if not is_of_this_host(job_id) or not pid_text.isdigit():
        return None
    pid = int(pid_text)
    return pid if start and process_start(pid) == start else None


def make_runner(options: Mapping[str, Any]) -> LocalRunner:
    """The factory calls this. `options` are fields of `LocalConfig`."""
    return LocalRunner(parse_options(LocalConfig, options, what="local"))
