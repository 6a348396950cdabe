"""What a backend must be able to do. Records, verdicts and sweeps are the same for all of them."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.runs import SweepMode
from tmgg.experiment_utils.cloud.sweep.policy import RetryChanges
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.run_folder import ownership
from tmgg.experiment_utils.run_folder.failures import HintName
from tmgg.experiment_utils.run_folder.paths import JobFolder, SubmissionPaths
from tmgg.experiment_utils.run_folder.registry import RunRecord, WriteSubmission


def _any_target(_target: str) -> None:
    return


def _never(_settings: JsonDict) -> int:
    return 0


@dataclass(frozen=True, kw_only=True, slots=True)
class BackendTraits:
    """The properties of a backend. They do not change while its runner lives."""

    name: str
    """Name in the factory and on records."""
    output_dir: Path
    """Folder of new runs; an absolute path."""
    base_dir: Path
    """Working directory of new runs."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """The backend's config, for the record."""
    source: str = ""
    """What `view_jobs` asks; runners with the same source share a question. Empty means `name`."""
    hints: Mapping[HintName, str] = field(default_factory=dict)
    """What to do about failures, with the names of this backend's options; by kind of failure, or
    by a more precise hint name."""
    sweep_modes: tuple[SweepMode, ...] = ("separate",)
    default_sweep_mode: SweepMode = "separate"
    poll_interval_s: float = 1.0
    """Longest time between two questions to the backend while waiting."""
    grace_s: float = 5.0
    """How long to wait for a missing result or job."""
    submit_patience_s: float = 300.0
    """How long to go on submitting, if the backend takes no more jobs and no run is under way."""
    default_timeout_s: int | None = None
    """Time limit of a run without its own limit, in seconds; None means that TMGG sets none."""
    shares_environment: bool = False
    """Whether a run certainly has the Python and the packages of this process."""
    proves_jobs: bool = False
    """Whether a job is cancelled only after the backend has confirmed whose submission's it is."""
    begins_cancelled_jobs: bool = False
    """Whether a cancelled job may still begin; its submission is then forbidden, too."""
    map_parallelism: int | None = None
    """How many calls of a `map` to submit at once if the caller does not say; None means all."""
    check_target: Callable[[str], None] = _any_target
    """Raises ConfigError if the options do not fit a target (`module:function`)."""
    restarts_of: Callable[[JsonDict], int] = _never
    """How often a run with the given settings may begin again after an interruption."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Whereabouts:
    """Whether the backend that this process asks is the one that has a submission's job."""

    is_surely_here: bool = True
    elsewhere: str = ""
    """Why the job cannot be asked about from here; empty if it can."""


class Backend(Protocol):
    """Where jobs run. A subclass (`class Mine(Backend)`) must define the abstract methods."""

    traits: BackendTraits

    def check(self, submission: SubmissionPaths, *, gpu_type: str | None) -> WriteSubmission | None:
        """Raise ConfigError or BackendError if the run cannot be submitted. Writes nothing.

        If the check has already prepared the files, it returns a function that writes them. The
        function is called once, in place of `write`. Otherwise it returns None.
        """
        return None

    @abstractmethod
    def write(
        self,
        draft: SubmissionPaths,
        final: SubmissionPaths,
        *,
        gpu_type: str | None,
        changes: RetryChanges | None,
    ) -> None:
        """Write a submission's intent and script into `draft`, which is then renamed to `final`.

        `changes` holds what a retry changes; None for a first submission.
        """
        ...

    @abstractmethod
    def start(self, submission: SubmissionPaths, record: RunRecord) -> str:
        """Give a recorded submission to the backend; note and return the backend's job id.

        The job runs `supervisor/entry.py` with the submission's folder and this id. `record` is the
        run's record with the options of this submission.
        """
        ...

    @abstractmethod
    def adopt(self, folder: JobFolder) -> str | None:
        """The job id of a submission or batch that has none on record; None while it is not known.

        Raises SubmissionError if there is no job, and none will come. If that is not certain, the
        error is an AbandonedError that is not final.
        """
        ...

    @abstractmethod
    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        """The backend's answer about each job, from one question; None if it did not answer.

        A job that is left out counts as None, and so do all jobs if this raises. The ids are those
        that `start` and `adopt` returned, or with which jobs claimed their submissions.
        """
        ...

    def view_again(self, job_ids: Sequence[str]) -> None:
        """Ask again; raise QueryError with the backend's message if it still does not answer."""
        return

    def refine(self, submission: SubmissionPaths, job_id: str, view: JobView) -> JobView | None:
        """The answer about a job as it counts for the submission; may write what came with it."""
        return view

    @abstractmethod
    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        """Ask the backend to end jobs; raises BackendError if it cannot be asked."""
        ...

    def forbid(self, submission: SubmissionPaths) -> str | None:
        """Keep a submission from beginning. Returns the job that has already begun it, or None.

        See `ownership`.
        """
        return ownership.forbid(submission)

    def whereabouts(self, submission: SubmissionPaths) -> Whereabouts:
        """Where the submission's job is, for example if several clusters share a home folder."""
        return Whereabouts()


@runtime_checkable
class SiteCritic(Protocol):
    """A backend that knows before the first submission which sweeps it would refuse."""

    def refuse_early(self, runs: int, mode: SweepMode, *, gpu_type: str | None) -> None:
        """Raise RefusedError if no such sweep can run. Asks one or two questions at most.

        Raises nothing if that is not certain or if the backend does not answer.
        """
        ...

    def usage(self, runs: int, mode: SweepMode) -> str:
        """One line with the most that the runs may use; empty if usage is not counted."""
        ...

    def idle_nodes(self, imports: frozenset[str], mode: SweepMode) -> str:
        """A line about nodes that a program with these imports would not use; empty if none."""
        ...


@runtime_checkable
class NodeCritic(Protocol):
    """A backend that can tell which nodes are faulty."""

    def bad_nodes(self, nodes: str) -> list[str]:
        """Which of a failed run's nodes to exclude from its next try."""
        ...
