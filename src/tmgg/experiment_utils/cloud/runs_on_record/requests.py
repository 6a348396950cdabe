"""Checks what a caller asks for, and makes the request and the task file from it."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tmgg.experiment_utils.cloud import checks
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.output_folders import refuse_long, refuse_shared
from tmgg.experiment_utils.cloud.sweep.choosing import identity_of
from tmgg.experiment_utils.job.artifacts import check_url
from tmgg.experiment_utils.job.nesting import refuse_endless
from tmgg.experiment_utils.run_folder.paths import check_run_id
from tmgg.experiment_utils.run_folder.task import ConfigLike, TaskInput, prepare_config, target_of


def as_request(
    config: ConfigLike | TaskRequest,
    *,
    timeout_seconds: int | None = None,
    run_id: str | None = None,
    default_run_id: str | None = None,
) -> TaskRequest:
    """A checked request with a plain config, a target and a run id.

    Raises TaskError or ConfigError.
    """
    refuse_endless()
    given = config if isinstance(config, TaskRequest) else TaskRequest(config=config)
    plain = prepare_config(given.config)
    target = target_of(plain) if given.target is None else given.target
    timeout = given.timeout_seconds if timeout_seconds is None else timeout_seconds
    if timeout is not None:
        checks.integer("timeout_seconds", timeout, least=1)
    url = given.artifact_url
    return replace(
        given,
        config=plain,
        target=target,
        run_id=_first_run_id(run_id, given.run_id, plain.get("run_id"), default_run_id),
        timeout_seconds=timeout,
        artifact_url=None if url is None else check_url("artifact_url", url),
    )


def check_folders(requests: Sequence[TaskRequest], *, may_share: bool) -> None:
    """Refuse runs that share an output folder, and paths that are too long. Raises ConfigError.

    Checks `output_dir` of the configs. A request with a payload is not checked, because its
    program reads the config in its own way.
    """
    given = [
        (f"run {request.run_id}", str(Path(str(folder)).expanduser().absolute()))
        for request in requests
        if request.payload is None and (folder := request.config.get("output_dir")) is not None
    ]
    for name, folder in given:
        refuse_long(folder, name=name, cure="Choose a shorter output_dir.")
    if not may_share:
        cure = "Leave output_dir out, give each its own, or set share_output_dir=True."
        refuse_shared(given, cure=cure)


def _first_run_id(*candidates: object) -> str:
    given = [candidate for candidate in candidates if candidate is not None]
    return check_run_id(given[0]) if given else new_run_id()


def task_of(request: TaskRequest, *, default_timeout_s: int | None) -> TaskInput:
    """The task file's content for a request that `as_request` made."""
    assert request.run_id is not None
    timeout = request.timeout_seconds
    return TaskInput(
        run_id=request.run_id,
        target=request.target or target_of(request.config),
        config=dict(request.config),
        timeout_seconds=default_timeout_s if timeout is None else timeout,
        artifact_url=request.artifact_url,
        identity=identity_of(request).to_json(),
        process=request.process,
    )


def new_run_id() -> str:
    """An id that sorts by time. In the rare case of a collision, making the run folder fails."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
