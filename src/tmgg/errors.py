"""Every error TMGG raises on purpose.

A message says what was given, what the facts are, and what to do. A failed run is not an error
here: it is an `ExperimentResult` with `status="failed"`. Only misuse and submission raise.

    TmggError
    ├── ConfigError (ValueError)         a setting that is not valid; nothing was submitted
    │   └── BackendNotLoadedError        the package of a backend is not installed
    ├── TaskError (ValueError)           the task cannot be sent to its job: not JSON, unresolved
    ├── ArtifactError                    a run's files could not be copied to their target
    ├── MissingExtraError (ImportError)  an optional dependency is not installed
    ├── StoppedEarlyError                an experiment saved its state and ends, as it was asked to
    ├── AnswerLostError                  standard output could not be written
    ├── UnwritableError                  a job's own files could not be written
    ├── DivergedError                    a training met a loss or gradient that is NaN or infinite
    ├── IdleGpuError                     a run did not use its GPUs for too long
    ├── RunError
    │   ├── UnknownRunError (LookupError)   no record of this run id
    │   ├── RunExistsError (FileExistsError)  this run id was already submitted
    │   ├── RunFailedError               a call's run failed, and its exception is not available
    │   └── RecordError (ValueError)        a record on disk is damaged or from a newer version
    │       ├── RemovedRunError             the run was removed
    │       ├── ForeignFileError            a file of another user, which is not trusted
    │       └── UnreadableError             a record cannot be read now; the run may be fine
    └── BackendError
        ├── BackendUnavailableError      the backend's commands or service are not there
        ├── QueryError                   the backend did not answer; the jobs may be fine
        ├── NotEndedError                the caller asked for the result of a run that goes on
        └── SubmissionError              the backend refused the job, in its own words
            ├── AbandonedError           the submitting process ended before the backend had the job
            ├── RefusedError             refused, and the same request would be refused again
            ├── SubmitLimitError         refused for now: the user has too many jobs in the queue
            └── SubmissionUnknownError   it is not known yet whether the job was accepted
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
    """The target or the config of a run cannot be sent to its job."""


class ArtifactError(TmggError):
    """A run's files could not be copied to their target."""


class MissingExtraError(TmggError, ImportError):
    """An optional dependency is not installed; the message names the install command."""


class StoppedEarlyError(TmggError):
    """An experiment was asked to stop before its end, and can continue from its saved state.

    An experiment raises it when `current_run().stop_requested()` is true and its state is saved.
    It is not a failure: if the backend can, it continues the run later.
    """

    def __init__(self, message: str, *, checkpoint_path: str | None = None) -> None:
        super().__init__(message)
        self.checkpoint_path = checkpoint_path
        """The file to continue from, if there is one."""


class AnswerLostError(TmggError):
    """Standard output could not be written, so the answer is lost."""

    def __init__(self, message: str, *, is_reader_gone: bool = False) -> None:
        super().__init__(message)
        self.is_reader_gone = is_reader_gone
        """Whether it is a pipe whose reader has ended, as `head` does, and wants no more."""


class UnwritableError(TmggError):
    """A job could not write its result or its other files; the experiment is not the cause."""


class DivergedError(TmggError):
    """A training met a loss or a gradient that is NaN or infinite; more steps do not help.

    An experiment of your own can raise it, too: the run then fails as `diverged`.
    """

    def __init__(self, message: str, *, checkpoint_path: str | None = None) -> None:
        super().__init__(message)
        self.checkpoint_path = checkpoint_path
        """The file with the best weights from before, if there is one."""


class IdleGpuError(TmggError):
    """A run let its GPUs idle for as long as its option `idle_gpu_minutes` allows."""


class RunError(TmggError):
    """A problem with the record of one run."""


class UnknownRunError(RunError, LookupError):
    """No record of this run id in the folders that were searched."""


class RunExistsError(RunError, FileExistsError):
    """This run id was already submitted; submitting again needs `resume=True`."""


class FailureLike(Protocol):
    """The needed part of `failures.Failure`, since this module imports nothing of TMGG."""

    @property
    def kind(self) -> str: ...

    @property
    def message(self) -> str: ...

    @property
    def hint(self) -> str: ...


class ResultLike(Protocol):
    """The needed part of an `ExperimentResult` whose status is `failed`."""

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
    """The run of a call failed, and the call's own exception is not available.

    Only futures raise it (`runner.submit`, `runner.map`); elsewhere a failed run is a result.
    """

    def __init__(self, message: str, *, result: ResultLike | None = None) -> None:
        super().__init__(message)
        self.result = result
        """The run's `ExperimentResult`."""

    @property
    def failure(self) -> FailureLike | None:
        """Why it failed: `kind`, `message` and `hint`."""
        return None if self.result is None else self.result.failure


class RecordError(RunError, ValueError):
    """A record on disk is damaged, or was written by a newer TMGG."""


class RemovedRunError(RecordError):
    """The run was removed, by `tmgg-jobs gc` for example, maybe while it was read."""

    def __init__(self, message: str, *, run_id: str = "") -> None:
        super().__init__(message)
        self.run_id = run_id


class ForeignFileError(RecordError):
    """A file belongs to another user, or others can write it, so TMGG does not trust it."""


class UnreadableError(RecordError):
    """A record cannot be read now. It says nothing about the run, and may pass."""


class BackendError(TmggError):
    """A problem with the backend that executes runs."""


class BackendUnavailableError(BackendError):
    """The backend's commands or service are not on this machine."""


class QueryError(BackendError):
    """The backend did not answer a query. This says nothing about any job."""


class NotEndedError(BackendError):
    """The caller asked for the result of a run that goes on, or was started again."""


class SubmissionError(BackendError):
    """The backend refused the job; the message has the backend's own words."""


class AbandonedError(SubmissionError):
    """The process that submitted a run ended before the backend had the job."""

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final
        """True: no job of that submission can begin any more. False: it only seems abandoned."""


class RefusedError(SubmissionError):
    """The backend refused the request, and would refuse the same request again."""


class SubmitLimitError(SubmissionError):
    """The user has as many jobs in the queue as the site allows; there will be room later."""


class SubmissionUnknownError(SubmissionError):
    """Whether the job was accepted is not known yet; it is never resubmitted blindly."""
