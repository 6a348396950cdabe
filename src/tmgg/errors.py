"""Every error TMGG raises on purpose.

A message says what was given, what is so, and what to do. A run that failed is not an error
here: it is an `ExperimentResult` with `status="failed"`. Only misuse and submission raise.

    TmggError
    ├── ConfigError (ValueError)         a setting that is not valid; nothing was submitted
    ├── TaskError (ValueError)           what to run cannot be sent: not JSON, unresolved
    ├── ArtifactError                    a run's files could not be brought to where they should be
    ├── MissingExtraError (ImportError)  an optional dependency is not installed
    ├── StoppedEarlyError                an experiment ends because it was asked to, its state saved
    ├── AnswerLostError                  standard output could not be written
    ├── UnwritableError                  a job's own files could not be written; says nothing of it
    ├── DivergedError                    a training met a loss or gradient that is no number
    ├── RunError
    │   ├── UnknownRunError (LookupError)   no record of this run id
    │   ├── RunExistsError (FileExistsError)  this run id was already submitted
    │   ├── RunFailedError               a call's run failed, and its own exception cannot be had
    │   └── RecordError (ValueError)        a record on disk is damaged or from a newer version
    │       ├── ForeignFileError            a file of somebody else, which is not trusted
    │       └── UnreadableError             the file system does not answer; says nothing of the run
    └── BackendError
        ├── BackendUnavailableError      the backend's commands or service are not there
        ├── QueryError                   a question got no answer; says nothing about any job
        ├── NotEndedError                the result was asked for of a run that goes on
        └── SubmissionError              the backend refused the job, in its own words
            ├── AbandonedError           whoever submitted ended before the backend had the job
            ├── SubmitLimitError         refused for now: too many of the user's jobs are in
            └── SubmissionUnknownError   accepted or not: nobody can tell yet
"""

from typing import Protocol

__all__ = [
    "AbandonedError",
    "ArtifactError",
    "BackendError",
    "BackendUnavailableError",
    "ConfigError",
    "DivergedError",
    "ForeignFileError",
    "MissingExtraError",
    "NotEndedError",
    "QueryError",
    "RecordError",
    "RunError",
    "RunExistsError",
    "RunFailedError",
    "StoppedEarlyError",
    "SubmissionError",
    "SubmissionUnknownError",
    "SubmitLimitError",
    "TaskError",
    "TmggError",
    "UnknownRunError",
    "UnreadableError",
    "UnwritableError",
]


class TmggError(Exception):
    """Root of all errors TMGG raises on purpose; `except TmggError` catches every one."""


class ConfigError(TmggError, ValueError):
    """A setting that is not valid."""


class BackendNotLoadedError(ConfigError):
    """The package that brings a backend is not installed here, or cannot be imported."""


class TaskError(TmggError, ValueError):
    """What to run cannot be sent to where it should run."""


class ArtifactError(TmggError):
    """A run's files could not be brought to where they should be."""


class MissingExtraError(TmggError, ImportError):
    """An optional dependency is not installed; the message names the install command."""


class StoppedEarlyError(TmggError):
    """An experiment ends before it is done because it was asked to, and can go on from its state.

    An experiment raises it once `current_run().stop_requested()` says so and its state is saved.
    It is no failure: where the backend can, the run goes on later.
    """

    def __init__(self, message: str, *, checkpoint_path: str | None = None) -> None:
        super().__init__(message)
        self.checkpoint_path = checkpoint_path
        """What to go on from, if it is a file."""


class AnswerLostError(TmggError):
    """Standard output could not be written, so that what was asked for did not arrive."""

    def __init__(self, message: str, *, is_reader_gone: bool = False) -> None:
        super().__init__(message)
        self.is_reader_gone = is_reader_gone
        """Whether it was a pipe whose reader has ended, as `head` does: the rest is not wanted."""


class UnwritableError(TmggError):
    """A job could not write what it leaves, or its own files; the experiment is not to blame."""


class DivergedError(TmggError):
    """A training met a loss or a gradient that is NaN or infinite; more steps cannot mend that.

    Raise it from an experiment of your own, too: the run then fails as `diverged`.
    """

    def __init__(self, message: str, *, checkpoint_path: str | None = None) -> None:
        super().__init__(message)
        self.checkpoint_path = checkpoint_path
        """The best weights from before, if they are in a file."""


class IdleGpuError(TmggError):
    """A run let its GPUs idle for as long as its option `idle_gpu_minutes` allows."""


class RunError(TmggError):
    """Something about one run's record."""


class UnknownRunError(RunError, LookupError):
    """No record of this run id where records were looked for."""


class RunExistsError(RunError, FileExistsError):
    """This run id was already submitted; submitting again needs `resume=True`."""


class FailureLike(Protocol):
    """What is to be known of a `failures.Failure`; this module imports nothing of TMGG."""

    @property
    def kind(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def hint(self) -> str: ...


class ResultLike(Protocol):
    """What is to be known of an `ExperimentResult` that says `failed`."""

    @property
    def run_id(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def error_message(self) -> str | None: ...

    @property
    def output_path(self) -> str | None: ...

    @property
    def failure(self) -> FailureLike | None: ...


class RunFailedError(RunError):
    """The run of a call failed, and there is no exception of its own that could be raised.

    Only futures raise it (`runner.submit`, `runner.map`); elsewhere a failed run is a result.
    """

    def __init__(self, message: str, *, result: ResultLike | None = None) -> None:
        super().__init__(message)
        self.result = result
        """What came of the run: an `ExperimentResult`."""

    @property
    def failure(self) -> FailureLike | None:
        """Why it failed: `kind`, `message` and `hint`."""
        return None if self.result is None else self.result.failure


class RecordError(RunError, ValueError):
    """A record on disk is damaged, or was written by a newer TMGG."""


class RemovedRunError(RecordError):
    """The run was removed while it was looked at, by `tmgg-jobs gc` for example."""

    def __init__(self, message: str, *, run_id: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id


class ForeignFileError(RecordError):
    """A file belongs to somebody else, or others can write it; so it counts as not there."""


class UnreadableError(RecordError):
    """A record cannot be read now. It says nothing about the run, and may pass."""


class BackendError(TmggError):
    """Something about where runs execute."""


class BackendUnavailableError(BackendError):
    """The backend's commands or service are not on this machine."""


class QueryError(BackendError):
    """A question to the backend got no answer. It says nothing about any job."""


class NotEndedError(BackendError):
    """The result was asked for of a run that goes on, or goes on again."""


class SubmissionError(BackendError):
    """The backend refused the job; carries the backend's own words."""


class AbandonedError(SubmissionError):
    """Whoever submitted a run ended before the backend had its job."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
        """Nothing can begin that submission any more; else this is only what it looks like."""


class RefusedError(SubmissionError):
    """The backend refused what was asked for, and would refuse the same again."""


class SubmitLimitError(SubmissionError):
    """The user has as many jobs in the queue as the site allows; later there is room again."""


class SubmissionUnknownError(SubmissionError):
    """Whether the job was accepted is not known yet; it is never resubmitted blindly."""
