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
    """What is so of a backend for as long as its runner lives."""

    name: str
    """Name in the factory and on records."""
    output_dir: Path
    """Where new runs go; absolute."""
    base_dir: Path
    """Working directory of new runs."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """The backend's config, for the record."""
    source: str = ""
    """Whom `view_jobs` asks; runners of one source share a question. Empty is the name."""
    hints: Mapping[HintName, str] = field(default_factory=dict)
    """What to do about failures, in the words of this backend's options; by kind, or more closely.
    """
    sweep_modes: tuple[SweepMode, ...] = ("separate",)
    default_sweep_mode: SweepMode = "separate"
    poll_interval_s: float = 1.0
    """Longest time between two questions to the backend while waiting."""
    grace_s: float = 5.0
    """How long to wait for a result or a job that should be there."""
    submit_patience_s: float = 300.0
    """How long a backend that takes no more is asked again while nothing is under way."""
    default_timeout_s: int | None = None
    """Limit of a run for which none was given."""
    shares_environment: bool = False
    """Whether a run certainly has the Python and the packages of this process."""
    proves_jobs: bool = False
    """Whether a job is only cancelled once the backend has said that it is the submission's."""
    begins_cancelled_jobs: bool = False
    """Whether a job may begin that was cancelled before: it is to find its run forbidden."""
    map_parallelism: int | None = None
    """How many calls of a `map` to submit at once when nobody says; None is all."""
    check_target: Callable[[str], None] = _any_target
    """Raises ConfigError for a target (`module:function`) that the options do not fit."""
    restarts_of: Callable[[JsonDict], int] = _never
    """How often a run with these settings may begin again after an interruption."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Whereabouts:
    """Whether the backend that is asked here is the one that has a submission's job."""

    is_surely_here: bool = True
    elsewhere: str = ""
    """Why nothing can be found out here; empty when it can."""


class Backend(Protocol):
    """Where jobs run. `class Mine(Backend)` has the abstract methods, and inherits the others."""

    traits: BackendTraits

    def check(self, submission: SubmissionPaths, *, gpu_type: str | None) -> WriteSubmission | None:
        """Raise ConfigError or BackendError for what cannot be submitted; writes nothing.

        Where the check has made what is to be written, it returns what writes that, once, in place
        of `write`.
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
        """Write intent and script of a submission into `draft`; they will be read at `final`.

        `changes` is what a retry changes; None is a first submission.
        """
        ...

    @abstractmethod
    def start(self, submission: SubmissionPaths, record: RunRecord) -> str:
        """Hand a recorded submission to the backend; the backend's job id, noted in the record.

        The job runs `supervisor/entry.py` with the submission's folder and this id. `record` is the
        run's, with the options of this submission.
        """
        ...

    @abstractmethod
    def adopt(self, folder: JobFolder) -> str | None:
        """The job of a submission or batch that has no job id on record; None while that is open.

        Raises SubmissionError once it is certain that there is no job and never will be.
        """
        ...

    @abstractmethod
    def view_jobs(self, job_ids: Sequence[str]) -> Mapping[str, JobView | None]:
        """What the backend says of each job, in one question; None where it did not answer.

        So is a job that is left out, and every job where it raises. The ids are those that `start`
        and `adopt` returned, or that jobs claimed with.
        """
        ...

    def view_again(self, job_ids: Sequence[str]) -> None:
        """Raise QueryError with the backend's own words where it still does not answer."""
        return

    def refine(self, submission: SubmissionPaths, job_id: str, view: JobView) -> JobView | None:
        """What the backend's word on a job means for the submission; may note what it brought."""
        return view

    @abstractmethod
    def cancel_jobs(self, job_ids: Sequence[str]) -> None:
        """Ask the backend to end jobs; raises BackendError when it cannot be asked."""
        ...

    def forbid(self, submission: SubmissionPaths) -> str | None:
        """Keep a submission from beginning; who has begun it already. See `ownership`."""
        return ownership.forbid(submission)

    def whereabouts(self, submission: SubmissionPaths) -> Whereabouts:
        """Where there are several of a backend: clusters that share a home."""
        return Whereabouts()


@runtime_checkable
class SiteCritic(Protocol):
    """A backend that can tell before the first submission what it would refuse."""

    def refuse_early(self, runs: int, mode: SweepMode, *, gpu_type: str | None) -> None:
        """Raise RefusedError where no such sweep can run; at most a question or two.

        What is not certain, and what nobody answers, raises nothing.
        """
        ...

    def usage(self, runs: int, mode: SweepMode) -> str:
        """What the runs may use at most, in a line; empty where nobody counts."""
        ...

    def idle_nodes(self, imports: frozenset[str], mode: SweepMode) -> str:
        """What is likely to be left unused by a program that imports these; empty for nothing."""
        ...


@runtime_checkable
class NodeCritic(Protocol):
    """A backend that can tell which nodes are at fault."""

    def bad_nodes(self, nodes: str) -> list[str]:
        """Which of a failed run's nodes to keep out of its next try."""
        ...
