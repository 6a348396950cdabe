"""What the SDK's exceptions mean. Pure, except for importing the SDK.

A question about a call raises two kinds of errors: the end of the call, or a failure of the
question. Both may be exceptions of the SDK. An exception counts as an answer only if the SDK raises
it for nothing but a call's end. Every other exception of the SDK means that there is no answer.

Some exceptions mislead. `modal.exception.TimeoutError` is not Python's TimeoutError, which means
"not ready yet". `RemoteError` covers a cancelled call, a container that died, and a container that
could not start; only TMGG's own record shows that a call was cancelled with TMGG (see runner). If a
connection breaks too often, the error of a lower library is raised. `ExecutionError` is also raised
if a result exists but could not be downloaded.
"""

from typing import Any

from tmgg.errors import (
    BackendError,
    BackendUnavailableError,
    QueryError,
    SubmissionError,
)
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.modal.parcel import ContainerError

# How the SDK's message begins if it has a call's result but cannot read it.
_NOT_READ = "Could not deserialize"
_LOST_STREAM = "_write_appdata"


def is_of_the_sdk(error: Exception) -> bool:
    """Whether a question to Modal may raise it. TMGG's time limit raises Python's TimeoutError."""
    return isinstance(error, _sdk_errors()) or _is_lost_stream(error)


def _sdk_errors() -> tuple[type[Exception], ...]:
    import aiohttp  # the SDK brings them
    import grpclib.exceptions
    import h2.exceptions

    return (
        _exceptions().Error, TimeoutError, OSError, aiohttp.ClientError, h2.exceptions.H2Error,
        grpclib.exceptions.GRPCError, grpclib.exceptions.ProtocolError,
        grpclib.exceptions.StreamTerminatedError,
    )  # fmt: skip


def _is_lost_stream(error: Exception) -> bool:
    """Whether it is the error that grpclib up to 0.4.7 raises if a connection ends."""
    return isinstance(error, AttributeError) and _LOST_STREAM in str(error)


def is_not_found(error: Exception) -> bool:
    return isinstance(error, _exceptions().NotFoundError)


def refusal(what: str, error: Exception) -> BackendError:
    """TMGG's error for an error of a submission.

    BackendUnavailableError without a valid account; QueryError if Modal did not answer, which
    includes errors that are not the SDK's; SubmissionError if Modal refused.
    """
    if isinstance(error, _exceptions().AuthError) or _is_silence(error):
        return unanswered(what, error)
    return SubmissionError(f"{what}: Modal refused: {_words(error)}")


def unanswered(what: str, error: Exception) -> BackendUnavailableError | QueryError:
    """TMGG's error for an error of a question about a run. It says nothing about the run."""
    words = _words(error)
    if isinstance(error, _exceptions().AuthError):
        return BackendUnavailableError(
            f"{what}: Modal does not know the account: {words}. Run `modal setup`, or set "
            "MODAL_TOKEN_ID and MODAL_TOKEN_SECRET."
        )
    if _is_silence(error):
        return QueryError(f"{what}: Modal does not answer ({words}). Try again later.")
    return QueryError(f"{what}: Modal refused the question: {words}. {_ADVICE}")


_ADVICE = "See that the Modal profile and its token are those that submitted the run."


def why_silent(error: Exception) -> str:
    """A text that says why a question about a call has no answer."""
    words = f"{type(error).__name__}: {error}".rstrip(": ")
    known = _exceptions()
    is_denied = isinstance(error, known.AuthError | known.PermissionDeniedError)
    return f"{words}. {_ADVICE}" if is_denied else words


def answer_of(error: Exception) -> JobView | None:
    """What an exception says about the call; None if the exception is not an answer.

    An unknown exception may come from a container that could not start, or from the question. It
    counts as the call's end only if it lasts; so its view is not `settled`.
    """
    known = _exceptions()
    words = str(error)
    if isinstance(error, known.NotFoundError):
        return JobView(phase="unknown")
    if isinstance(error, known.FunctionTimeoutError):
        return JobView(phase="ended", state="TIMEOUT", kind="timeout", reason=words)
    if isinstance(error, known.OutputExpiredError):
        reason = "Modal keeps results for a week"
        return JobView(phase="ended", state="EXPIRED", kind="lost", reason=reason)
    if isinstance(error, known.RemoteError | known.InternalFailure | ContainerError):
        return JobView(phase="ended", state="FAILURE", kind="node_fail", reason=words)
    shown = f"{type(error).__name__}: {words}"
    if _is_unreadable(error):
        return _init_failure(f"what the call left cannot be read here: {shown}")
    if is_of_the_sdk(error):
        return None
    return _init_failure(f"the container could not start: {shown}")


def _init_failure(reason: str) -> JobView:
    return JobView(
        phase="ended", state="INIT_FAILURE", kind="environment", reason=reason, settled=False
    )


def _is_unreadable(error: Exception) -> bool:
    known = _exceptions()
    not_read = isinstance(error, known.ExecutionError) and str(error).startswith(_NOT_READ)
    return not_read or isinstance(error, known.DeserializationError)


def _is_silence(error: Exception) -> bool:
    known = _exceptions()
    return not isinstance(error, known.Error) or isinstance(
        error,
        known.ConnectionError | known.ServiceError | known.InternalError | known.DataLossError
        | known.ResourceExhaustedError | known.ClientClosed,
    )  # fmt: skip


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _exceptions() -> Any:
    import modal.exception  # only installed if Modal is used

    return modal.exception
