"""The requests, states and results of runs, the same for all backends."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tmgg.experiment_utils.cloud.html_table import render_facts
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.identity.run_identity import Identity
from tmgg.experiment_utils.run_folder.failures import Failure
from tmgg.experiment_utils.run_folder.paths import RunPaths
from tmgg.experiment_utils.run_folder.task import ConfigLike, Metrics, Worker
from tmgg.experiment_utils.sampling.used import RunUse

Status = Literal["pending", "running", "completed", "failed"]
SweepMode = Literal["separate", "array", "packed"]
"""How the runs of a sweep are submitted: each as its own job, as elements of job arrays, or many in
one job."""

_METRICS_OF_A_REPR = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRequest:
    """A request for one run. A plain config counts as a request without other options."""

    config: ConfigLike
    run_id: str | None = None
    """None means the config's `run_id`, or a new id if the config has none."""
    target: str | None = None
    """`package.module:function` to run; None means the config's `experiment._target_`."""
    payload: bytes | None = None
    """Data that is sent with the task. The experiment finds it at `current_run().payload_path`."""
    timeout_seconds: int | None = None
    """None means the backend's default."""
    artifact_url: str | None = None
    """Where the experiment's files are sent after it has completed (`s3://bucket/folder`), into a
    folder with the name of the run. None means that they are not sent."""
    title: str = ""
    """How the run differs from the other runs of its sweep, for display."""
    process: JsonDict | None = None
    """Properties of the job's process; see `TaskInput`."""
    as_written: Mapping[str, str] = field(default_factory=dict)
    """By dotted key: what a summary shows for values of the config that come from the
    environment, because these may be secrets."""
    identity: Identity | None = None
    """The run's identity, for resuming; None means that target, config and payload define it."""
    is_matched: bool = False
    """Whether earlier runs of the same content have already been looked for."""

    def __repr__(self) -> str:
        return f"<TaskRequest {' '.join(filter(None, [self.run_id, self.title])) or 'of a config'}>"


@dataclass(frozen=True, kw_only=True, slots=True)
class CallOptions:
    """How the calls of one `map` or `batch` are submitted."""

    mode: SweepMode | None = None
    parallelism: int | None = None
    timeout_seconds: int | None = None
    gpu_type: str | None = None
    resume: bool = False
    rerun_changed_code: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SpawnedTask:
    """Handle of a submitted run. It need not be kept: all other facts are on the run's record."""

    run_id: str
    job_id: str | None
    backend: str
    output_dir: Path | None = None


def run_id_of(run: SpawnedTask | str) -> str:
    """The run id of a handle, or `run` itself if it is an id."""
    return run if isinstance(run, str) else run.run_id


@dataclass(frozen=True, kw_only=True, slots=True)
class SpawnedSweep:
    """Handle of a submitted sweep. It need not be kept: all other facts are on record."""

    sweep_id: str
    run_ids: list[str]
    """In the order of the configs."""
    refused: dict[str, "ExperimentResult"] = field(default_factory=dict)
    """The results of runs that the backend refused, by run id."""

    def __repr__(self) -> str:
        refused = f", {len(self.refused)} refused" if self.refused else ""
        return f"<SpawnedSweep {self.sweep_id}: {len(self.run_ids)} runs{refused}>"

    def _repr_html_(self) -> str:
        """The HTML that notebooks show."""
        refused = f"{len(self.refused)} runs" if self.refused else ""
        return render_facts(
            [
                ("sweep", self.sweep_id),
                ("runs", str(len(self.run_ids))),
                ("refused", refused),
                ("come back", f"tmgg-jobs wait {self.sweep_id}"),
            ]
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExperimentResult:
    """The result of a run that has ended."""

    run_id: str
    config: JsonDict
    status: Literal["completed", "failed"]
    metrics: Metrics = field(default_factory=dict)
    checkpoint_path: str | None = None
    error_message: str | None = None
    """What happened and what to do; None if the run completed."""
    failure: Failure | None = None
    duration_seconds: float | None = None
    """The time of the experiment itself, without queue and start-up. None if it did not begin, or
    if its end is not known."""
    attempts: int = 1
    """The number of starts, submissions and restarts together."""
    job_id: str | None = None
    nodes: list[str] = field(default_factory=list)
    """The hosts of the experiment's Ray cluster, or the one host on which it ran."""
    workers: list[Worker] = field(default_factory=list)
    """The experiment's processes with their hosts, by rank; empty if it does not report them."""
    output_path: str | None = None
    """The path of the log."""
    folder: str | None = None
    """The folder of the Hydra app's own files of this run; None if the record names none."""
    used: RunUse | None = None
    """CPU, memory and GPUs that the run used. None if nothing was sampled, for example because it
    took less than a second (the loading of modules does not count)."""

    def __repr__(self) -> str:
        metrics = [f"{name}={_number(value)}" for name, value in self.metrics.items()]
        why = f" ({self.failure.kind})" if self.failure else ""
        more = ["..."] if len(metrics) > _METRICS_OF_A_REPR else []
        parts = [f"{self.status}{why}", *metrics[:_METRICS_OF_A_REPR], *more]
        return f"<ExperimentResult {self.run_id}: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        """The HTML that notebooks show."""
        metrics = ", ".join(f"{name} = {_number(value)}" for name, value in self.metrics.items())
        return render_facts(
            [
                ("run", self.run_id),
                ("status", self.status + (f" ({self.failure.kind})" if self.failure else "")),
                ("metrics", metrics),
                ("time", f"{self.duration_seconds:.1f} s" if self.duration_seconds else ""),
                ("error", self.error_message or ""),
                ("log", self.output_path or ""),
            ]
        )


RunKey = RunPaths | str
"""What identifies a run: its paths, or its id if all runs are in one folder."""

NOT_SUBMITTED = "not submitted yet"
"""`RunState.reason` of a run whose sweep has not submitted it yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """The state of one run at one moment, in detail."""

    run_id: str
    status: Status
    final: bool
    """Whether the state can change only by a retry."""
    backend_state: str = ""
    """The backend's own name of the state: `PENDING`, `COMPLETING`, ..."""
    reason: str = ""
    """The reason that the backend gives for the state."""
    job_id: str | None = None
    exit_code: str | None = None
    nodes: str = ""
    estimated_start: str | None = None
    attempt: int = 1
    failure: Failure | None = None
    answered: bool = True
    """False if the backend did not answer; then the other fields are the last that is known."""
    resumable: bool = False
    """Whether it failed but saved its state first, so that it can go on from there."""
    note: str = ""
    """A remark for the user, for example that a query failed."""
    is_elsewhere: bool = False
    """Whether its job belongs to another cluster, or writes into another folder. Then the job can
    neither be asked about nor cancelled from here."""
    output_dir: Path | None = None
    """The output folder of the run, if runs of several folders are polled together, because runs in
    two folders may have the same id. None from a runner, whose runs are in one folder."""

    @property
    def key(self) -> RunKey:
        """What identifies it among the runs that were polled together."""
        return key_of(self.run_id, self.output_dir)


def key_of(run_id: str, output_dir: Path | None) -> RunKey:
    """The key of a run: its paths, or only its id if `output_dir` is None."""
    return run_id if output_dir is None else RunPaths(output_dir, run_id)


def is_to_submit(state: RunState) -> bool:
    """Whether the run still waits to be submitted, so that the backend has no job of it."""
    return not state.final and state.reason == NOT_SUBMITTED


OnUpdate = Callable[[Sequence[RunState]], None]


def _number(value: float) -> str:
    """A number as text. An integer is not converted, because it may be too large for a float."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
