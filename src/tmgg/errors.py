"""Every error TMGG raises on purpose.

A message says what was given, what is so, and what to do. A run that failed is not an error
here: it is an `ExperimentResult` with `status="failed"`. Only misuse and submission raise.

    TmggError
    ├── ConfigError (ValueError)         a setting that cannot be; nothing was submitted
    ├── TaskError (ValueError)           what to run cannot be sent: not JSON, unresolved
    ├── ArtifactError                    a run's files could not be brought to where they should be
    ├── MissingExtraError (ImportError)  an optional dependency is not installed
    ├── StoppedEarlyError                an experiment ends because it was asked to, its state saved
    ├── RunError
    │   ├── UnknownRunError (LookupError)   no record of this run id
    │   ├── RunExistsError (FileExistsError)  this run id was already submitted
    │   └── RecordError (ValueError)        a record on disk is damaged or from a newer version
    └── BackendError
        ├── BackendUnavailableError      the backend's commands or service are not there
        ├── QueryError                   a question got no answer; says nothing about any job
        ├── NotEndedError                the result was asked for of a run that goes on
        └── SubmissionError              the backend refused the job, in its own words
            ├── SubmitLimitError         refused for now: too many of the user's jobs are in
            └── SubmissionUnknownError   accepted or not: nobody can tell yet
"""

__all__ = [
    "ArtifactError",
    "BackendError",
    "BackendUnavailableError",
    "ConfigError",
    "MissingExtraError",
    "NotEndedError",
    "QueryError",
    "RecordError",
    "RunError",
    "RunExistsError",
    "StoppedEarlyError",
    "SubmissionError",
    "SubmissionUnknownError",
    "SubmitLimitError",
    "TaskError",
    "TmggError",
    "UnknownRunError",
]


class TmggError(Exception):
    """Root of all errors TMGG raises on purpose; `except TmggError` catches every one."""


class ConfigError(TmggError, ValueError):
    """A setting that cannot be."""


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


class RunError(TmggError):
    """Something about one run's record."""


class UnknownRunError(RunError, LookupError):
    """No record of this run id where records were looked for."""


class RunExistsError(RunError, FileExistsError):
    """This run id was already submitted; submitting again needs `resume=True`."""


class RecordError(RunError, ValueError):
    """A record on disk is damaged, or was written by a newer TMGG."""


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


class SubmitLimitError(SubmissionError):
    """The user has as many jobs in the queue as the site allows; later there is room again."""


class SubmissionUnknownError(SubmissionError):
    """Whether the job was accepted cannot be told yet; it is never resubmitted blindly."""
