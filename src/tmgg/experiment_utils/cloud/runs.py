"""What goes into a backend and what comes out of it, the same for all of them."""

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
"""How the runs of a sweep are submitted: each by itself, as elements of job arrays, or many inside
one allocation."""

_METRICS_OF_A_REPR = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRequest:
    """One run as it is asked for; a bare config means a request with nothing else said."""

    config: ConfigLike
    run_id: str | None = None
    """None takes the config's `run_id`, or makes one."""
    target: str | None = None
    """`package.module:function` to run; None takes the config's `experiment._target_`."""
    payload: bytes | None = None
    """Travels beside the task; the experiment finds it at `current_run().payload_path`."""
    timeout_seconds: int | None = None
    """None takes the backend's default."""
    artifact_url: str | None = None
    """Where the files of the experiment go when it has completed (`s3://bucket/folder`): into a
    folder named like the run. None leaves them where they are."""
    title: str = ""
    """In what it differs from the other runs of its sweep, for people."""
    process: JsonDict | None = None
    """What the job's process is made like; see `TaskInput`."""
    as_written: Mapping[str, str] = field(default_factory=dict)
    """By dotted key: what a summary shows for values of the config that come from the
    environment, which may be secrets."""
    identity: Identity | None = None
    """What the run is, for resuming; None tells it from target, config and payload."""
    is_matched: bool = False
    """Whether earlier runs of the same content were looked for already."""

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
    """Handle of a submitted run; everything else is on its record, so it may be thrown away."""

    run_id: str
    job_id: str | None
    backend: str
    output_dir: Path | None = None


def run_id_of(run: SpawnedTask | str) -> str:
    """The name of a run that was spawned, or that is named."""
    return run if isinstance(run, str) else run.run_id


@dataclass(frozen=True, kw_only=True, slots=True)
class SpawnedSweep:
    """Handle of a submitted sweep; everything else is on its record, so it may be thrown away."""

    sweep_id: str
    run_ids: list[str]
    """In the order of the configs."""
    refused: dict[str, "ExperimentResult"] = field(default_factory=dict)
    """The results of runs that the backend did not take, by run id."""

    def __repr__(self) -> str:
        refused = f", {len(self.refused)} refused" if self.refused else ""
        return f"<SpawnedSweep {self.sweep_id}: {len(self.run_ids)} runs{refused}>"

    def _repr_html_(self) -> str:
        """As notebooks show it."""
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
    """What came of a run."""

    run_id: str
    config: JsonDict
    status: Literal["completed", "failed"]
    metrics: Metrics = field(default_factory=dict)
    checkpoint_path: str | None = None
    error_message: str | None = None
    """What happened and what to do; None when the run completed."""
    failure: Failure | None = None
    duration_seconds: float | None = None
    """The experiment's own time, without queue and start-up; None where it did not begin, or
    nothing tells when it ended."""
    attempts: int = 1
    """Submissions and restarts together."""
    job_id: str | None = None
    nodes: list[str] = field(default_factory=list)
    """Hosts of the Ray cluster the experiment had, or the one host it ran on."""
    workers: list[Worker] = field(default_factory=list)
    """The processes that took part, by rank, and the host of each, where the experiment says."""
    output_path: str | None = None
    """The log."""
    folder: str | None = None
    """Where a Hydra app's own files of the run are; None for another run, or one without record."""
    used: RunUse | None = None
    """CPU, memory and GPUs; None where nothing was sampled, as in less than a second (the
    loading of modules does not count)."""

    def __repr__(self) -> str:
        metrics = [f"{name}={_number(value)}" for name, value in self.metrics.items()]
        why = f" ({self.failure.kind})" if self.failure else ""
        more = ["..."] if len(metrics) > _METRICS_OF_A_REPR else []
        parts = [f"{self.status}{why}", *metrics[:_METRICS_OF_A_REPR], *more]
        return f"<ExperimentResult {self.run_id}: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        """As notebooks show it."""
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
"""What tells a run from others: where its files are, or its id among the runs of one folder."""

NOT_SUBMITTED = "not submitted yet"
"""`RunState.reason` of a run whose turn has not come in its sweep."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """The finer truth about one run at one moment."""

    run_id: str
    status: Status
    final: bool
    """Whether this will not change any more (short of a retry)."""
    backend_state: str = ""
    """In the backend's own words: `PENDING`, `COMPLETING`, ..."""
    reason: str = ""
    """Why it is pending or ended, in the backend's own words."""
    job_id: str | None = None
    exit_code: str | None = None
    nodes: str = ""
    estimated_start: str | None = None
    attempt: int = 1
    failure: Failure | None = None
    answered: bool = True
    """False when the backend did not answer: the rest is then the last that is known."""
    resumable: bool = False
    """It failed, but saved its state first, so that submitting it again goes on from there."""
    note: str = ""
    """What could not be found out just now, for example that a query failed."""
    is_elsewhere: bool = False
    """Its job is another cluster's, or writes into another folder: here nothing is known of it, and
    nothing can be done about it."""
    output_dir: Path | None = None
    """The folder of its files, where runs of several folders are asked about together: two of them
    may have one id. None from a runner, whose runs are in one folder."""

    @property
    def key(self) -> RunKey:
        """What tells it from the others that were asked about."""
        return key_of(self.run_id, self.output_dir)


def key_of(run_id: str, output_dir: Path | None) -> RunKey:
    """The key of a run; the id alone where no folder is named."""
    return run_id if output_dir is None else RunPaths(output_dir, run_id)


def is_to_submit(state: RunState) -> bool:
    """Whether its turn has not come: the backend has no job of it."""
    return not state.final and state.reason == NOT_SUBMITTED


OnUpdate = Callable[[Sequence[RunState]], None]


def _number(value: float) -> str:
    """Whole numbers whole: some are beyond all floats."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
