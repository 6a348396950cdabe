"""Runs as jobs of a Ray cluster, or of a Ray on this machine."""

import contextlib
import json
import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tmgg.errors import BackendError, QueryError, RecordError
from tmgg.experiment_utils.cloud.backend import Backend, BackendTraits, Whereabouts
from tmgg.experiment_utils.cloud.judging.adoption import adopt_or_close
from tmgg.experiment_utils.cloud.judging.other_host import (
    host_of,
    is_of_this_host,
    seen_from_here,
    where_it_is,
)
from tmgg.experiment_utils.cloud.judging.verdict import JobView, has_trusted_end
from tmgg.experiment_utils.cloud.ray import request as requests
from tmgg.experiment_utils.cloud.ray.client import RayJobsClient, latest_start
from tmgg.experiment_utils.cloud.ray.config import RayConfig
from tmgg.experiment_utils.cloud.ray.hints import RAY_HINTS
from tmgg.experiment_utils.cloud.ray.own_ray import find_own_ray, hold_own_ray
from tmgg.experiment_utils.cloud.ray.states import view_of
from tmgg.experiment_utils.cloud.runner import CloudRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.recorded import RecordedRuns
from tmgg.experiment_utils.cloud.runs_on_record.requests import as_request
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.files.atomic_file import JsonDict, write_json
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.files.trust import read_json
from tmgg.experiment_utils.run_folder.attempts import record_of
from tmgg.experiment_utils.run_folder.evidence import read_evidence
from tmgg.experiment_utils.run_folder.ownership import is_forbidden
from tmgg.experiment_utils.run_folder.paths import (
    JobFolder,
    RunPaths,
    SubmissionPaths,
    resolve_output_dir,
)
from tmgg.experiment_utils.run_folder.registry import (
    RunRecord,
    load_intent,
    new_intent,
    note_job,
)
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles

log = logging.getLogger(__name__)

_WHAT = "its Ray is that of"


class RayBackend(Backend):
    """Runs as Ray jobs. Ray decides when and where each begins, by the resources it asks for."""

    def __init__(self, config: RayConfig, client: RayJobsClient | None = None) -> None:
        base_dir = Path.cwd()
        self.config = config
        self._client = client
        self.traits = BackendTraits(
            name="ray",
            output_dir=resolve_output_dir(config.output_dir, base_dir),
            base_dir=base_dir,
            settings=config.to_json(),
            source=f"ray {config.address} {config.token_path}",
            hints=RAY_HINTS,
            poll_interval_s=config.poll_interval_s,
            grace_s=config.lost_grace_s,
            default_timeout_s=config.timeout_seconds,
            shares_environment=not (config.address or config.python or config.runtime_env),
            begins_cancelled_jobs=True,
        )

    def render_dry_run(self, run_id: str) -> str:
        """The exact request that `start` would send to Ray. Writes nothing."""
        paths = RunPaths(self.traits.output_dir, run_id).submission(1)
        job_id = self._job_id_of(requests.submission_id("TOKEN"))
        body = requests.render_request(self.config, paths, job_id=job_id)
        where = self.config.address or "the Ray of this machine"
        return f"# POST /api/jobs/ of {where}\n{json.dumps(body, indent=2)}\n"

    def write(
        self,
        draft: SubmissionPaths,
        final: SubmissionPaths,
        *,
        gpu_type: str | None,
        changes: RetryChanges | None,
    ) -> None:
        intent = new_intent(final)
        write_json(draft.intent, intent.to_json())
        job_id = self._job_id_of(requests.submission_id(intent.token))
        config = self._asked(gpu_type) if changes is None else _config_of(draft)
        write_json(draft.ray_request, requests.render_request(config, final, job_id=job_id))

    def start(self, submission: SubmissionPaths, record: RunRecord) -> str:
        name = requests.submission_id(load_intent(submission).token)
        job_id = self._job_id_of(name)
        with self._cluster() as client:
            client.submit(_request(submission), name, budget_s=self.config.submit_timeout_s)
        note_job(submission, job_id)
        return job_id

    def adopt(self, folder: JobFolder) -> str | None:
        assert isinstance(folder, SubmissionPaths)  # it submits no batches
        submission = folder
        name = requests.submission_id(load_intent(submission).token)
        try:
            client = self._found_cluster()
            known = client is not None and client.find(name) is not None
        except QueryError as error:
            log.warning("%s", error)
            return None
        if not known:
            return adopt_or_close(submission)
        job_id = self._job_id_of(name)
        note_job(submission, job_id)
        return job_id

    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        try:
            client = self._found_cluster()
            jobs = {} if client is None else client.find_all()
        except QueryError as error:
            log.warning("%s", error)
            return dict.fromkeys(job_ids)
        return {job_id: self._view_job(jobs, job_id) for job_id in job_ids}

    def refine(self, submission: SubmissionPaths, job_id: str, view: JobView) -> JobView | None:
        if is_forbidden(submission) and view.phase == "pending":
            # It was cancelled while it waited. In Ray it goes on waiting, and later ends unused.
            return JobView(
                phase="ended", state=view.state, kind="cancelled", restarts=view.restarts
            )
        if view.kind == "node_fail" and not _is_over(submission):
            return self._started_again(submission, job_id, view)
        return view

    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        client = self._found_cluster()
        if client is not None:
            client.stop([_name_in_ray(job_id) for job_id in job_ids if self._is_asked_here(job_id)])
        for job_id in job_ids:
            if not self._is_asked_here(job_id):
                where = where_it_is(host_of(job_id), _WHAT)
                raise QueryError(f"job {_name_in_ray(job_id)} is not ended: {where}")

    def whereabouts(self, submission: SubmissionPaths) -> Whereabouts:
        return seen_from_here(submission, what=_WHAT)

    def _view_job(self, jobs: dict[str, JsonDict], job_id: str) -> JobView | None:
        if not self._is_asked_here(job_id):
            return None
        name, job = latest_start(jobs, _name_in_ray(job_id))
        return view_of(job, restarts=_restarts_of(name))

    def _started_again(self, submission: SubmissionPaths, job_id: str, view: JobView) -> JobView:
        """Start a job again whose node was lost, if its `max_retries` allow; its new view."""
        config = _config_of(submission)
        restarts = (view.restarts or 0) + 1
        if restarts > config.max_retries:
            return view
        again = _request(submission)
        again["entrypoint"] = requests.render_entrypoint(
            config, submission, job_id=job_id, restarts=restarts
        )
        name = requests.restarted_id(_name_in_ray(job_id), restarts)
        try:
            with self._cluster() as client:
                client.submit(again, name, budget_s=config.submit_timeout_s)
        except BackendError as error:
            log.warning("could not start run %s again: %s", submission.run_paths.run_id, error)
            return replace(view, phase="pending", kind=None)  # the next poll tries again
        log.warning(
            "run %s lost its node (%s); started again, %s of %s times",
            submission.run_paths.run_id, view.reason, restarts, config.max_retries,
        )  # fmt: skip
        return JobView(phase="pending", state="PENDING", restarts=restarts)

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[RayJobsClient]:
        """The cluster to submit to. Without an address, this machine's Ray, started if needed."""
        if self._client is not None or self.config.address is not None:
            client = self._found_cluster()
            assert client is not None
            yield client
            return
        with hold_own_ray(self.config) as ray:
            yield RayJobsClient(ray.address, ray.token)

    def _found_cluster(self) -> RayJobsClient | None:
        """The cluster to ask; None if it is the Ray of this machine and that has ended."""
        if self._client is not None:
            return self._client
        if self.config.address is not None:
            return RayJobsClient(self.config.address, find_token(self.config.token_path))
        ray = find_own_ray()
        return None if ray is None else RayJobsClient(ray.address, ray.token)

    def _job_id_of(self, name: str) -> str:
        """The job id. It has this machine's name if the Ray is this machine's own.

        Other machines may see the record, but cannot ask the Ray of this machine.
        """
        return name if self.config.address is not None else f"{name}@{socket.gethostname()}"

    def _is_asked_here(self, job_id: str) -> bool:
        return self.config.address is not None or is_of_this_host(job_id)

    def _asked(self, gpu_type: str | None) -> RayConfig:
        return self.config if gpu_type is None else replace(self.config, gpu_type=gpu_type)


def _config_of(submission: SubmissionPaths) -> RayConfig:
    """The options of this submission on record; the options of this runner may differ."""
    return RayConfig.from_mapping(record_of(submission).settings)


class RayRunner(CloudRunner):
    """Runs experiments as Ray jobs. `client` is for tests."""

    def __init__(
        self, ray_config: RayConfig | None = None, *, client: RayJobsClient | None = None
    ) -> None:
        self.config = ray_config or RayConfig()
        self._ray = RayBackend(self.config, client)
        super().__init__(RecordedRuns(self._ray))

    def render_dry_run(self, request: TaskRequest) -> str:
        """The exact request that `spawn` would send to Ray. Writes nothing."""
        return self._ray.render_dry_run(str(as_request(request).run_id))


def find_token(token_path: str | None) -> str | None:
    """The cluster's token, from the places where Ray looks for it; None if there is none.

    Raises QueryError if a given token file cannot be read.
    """
    if token_path is None and (token := os.environ.get("RAY_AUTH_TOKEN")):
        return token.strip()
    given = token_path or os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(given or "~/.ray/auth_token").expanduser()
    try:
        return path.read_text().strip() or None
    except OSError as error:
        if given is None:
            return None
        raise QueryError(
            f"the token of the Ray cluster cannot be read: {error}. "
            "Set ray_token_path to a file that you can read."
        ) from error


def _is_over(submission: SubmissionPaths) -> bool:
    """Whether it must not be started again, because it was cancelled or ended by itself.

    Its node may have been lost just after its end.
    """
    if is_there(submission.cancel):
        return True
    return has_trusted_end(read_evidence(SubmissionFiles(submission), ended=False))


def _request(submission: SubmissionPaths) -> JsonDict:
    found = read_json(submission.ray_request)
    if found is None:
        raise RecordError(f"{submission.folder} has no {submission.ray_request.name}")
    return found


def _name_in_ray(job_id: str) -> str:
    return job_id.partition("@")[0]


def _restarts_of(name: str) -> int:
    _, _, number = name.partition("-r")
    return int(number) if number.isdigit() else 0


def make_runner(options: Mapping[str, Any]) -> RayRunner:
    """The factory calls this. `options` are fields of `RayConfig`."""
    return RayRunner(RayConfig.from_mapping(options))
