"""What the SDK's exceptions mean, of a question and of a call. Pure but for importing the SDK.

Some of them are traps. `modal.exception.TimeoutError` is not Python's, which says "not ready yet".
And `RemoteError` covers a cancelled call, a container that died and one that could not start; that
a call was cancelled with TMGG is known from our own record only (see runner). A connection that
breaks once too often comes through as the error of the library below.
"""

from typing import Any

from tmgg.errors import (
    BackendError,
    BackendUnavailableError,
    QueryError,
    SubmissionError,
)
from tmgg.experiment_utils.cloud.judging.verdict import JobView


def sdk_errors() -> tuple[type[Exception], ...]:
    """What a question to Modal may raise; Python's TimeoutError is of our own limit."""
    return (_exceptions().Error, TimeoutError, OSError, _connection_lost())


def is_not_found(error: Exception) -> bool:
    return isinstance(error, _exceptions().NotFoundError)


def refusal(what: str, error: Exception) -> BackendError:
    """The error of a question as ours: no account, no answer (QueryError), or a refusal."""
    known = _exceptions()
    words = str(error) or type(error).__name__
    if isinstance(error, known.AuthError):
        return BackendUnavailableError(
            f"{what}: Modal does not know the account: {words}. Run `modal setup`, or set "
            "MODAL_TOKEN_ID and MODAL_TOKEN_SECRET."
        )
    if _is_silence(error):
        return QueryError(f"{what}: Modal does not answer ({words}). Try again later.")
    return SubmissionError(f"{what}: Modal refused: {words}")


def answer_of(error: Exception) -> JobView | None:
    """What a call's own exception says of it; None when it only says that Modal did not answer."""
    known = _exceptions()
    words = str(error)
    if isinstance(error, known.NotFoundError):
        return JobView(phase="unknown")
    if isinstance(error, known.FunctionTimeoutError):
        return JobView(phase="ended", state="TIMEOUT", kind="timeout", reason=words)
    if isinstance(error, known.OutputExpiredError):
        reason = "Modal keeps results for a week"
        return JobView(phase="ended", state="EXPIRED", kind="lost", reason=reason)
    if isinstance(error, known.RemoteError | known.InternalFailure):
        return JobView(phase="ended", state="FAILURE", kind="node_fail", reason=words)
    if isinstance(error, known.AuthError) or _is_silence(error):
        return None
    reason = f"the container could not start: {type(error).__name__}: {words}"
    return JobView(phase="ended", state="INIT_FAILURE", kind="environment", reason=reason)


def _is_silence(error: Exception) -> bool:
    known = _exceptions()
    return isinstance(
        error,
        TimeoutError | OSError | known.ConnectionError | known.ServiceError | known.InternalError
        | known.ResourceExhaustedError | known.ClientClosed | _connection_lost(),
    )  # fmt: skip


def _connection_lost() -> Any:
    import grpclib.exceptions  # the SDK brings it

    return grpclib.exceptions.StreamTerminatedError


def _exceptions() -> Any:
    import modal.exception  # only there when the backend is chosen

    return modal.exception
