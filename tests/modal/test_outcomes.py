"""What is made of the errors by which questions to Modal end."""

import aiohttp
import grpclib
import grpclib.exceptions
import h2.exceptions
import modal.exception as sdk
import pytest

from tmgg.errors import BackendUnavailableError, QueryError, SubmissionError
from tmgg.experiment_utils.cloud.judging.verdict import JobView
from tmgg.experiment_utils.cloud.modal.outcomes import (
    answer_of,
    is_of_the_sdk,
    refusal,
    unanswered,
)
from tmgg.experiment_utils.cloud.modal.parcel import ContainerError, as_container_errors

LOST_CONNECTIONS = [
    grpclib.exceptions.StreamTerminatedError("Connection lost"),
    AttributeError("'NoneType' object has no attribute '_write_appdata'"),
    h2.exceptions.ProtocolError("Invalid input StreamInputs.SEND_HEADERS in state 5"),
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientPayloadError("Response payload is not completed"),
    grpclib.GRPCError(grpclib.Status.UNKNOWN, "Missing grpc-status header"),
    sdk.DataLossError("lost"),
    sdk.ServiceError("unavailable"),
]
REFUSED_QUESTIONS = [
    sdk.PermissionDeniedError("token may not read this workspace"),
    sdk.ConflictError("failed precondition"),
    sdk.UnimplementedError("unknown method"),
    sdk.InvalidError("bad id"),
    sdk.VersionError("the client is too old"),
    sdk.ExecutionError("Get from url failed with status 503: SlowDown"),
]


def name_of(error: object) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", LOST_CONNECTIONS, ids=name_of)
def test_a_connection_that_breaks_says_nothing_about_the_call(error: Exception) -> None:
    assert answer_of(error) is None


@pytest.mark.parametrize("error", LOST_CONNECTIONS, ids=name_of)
def test_a_connection_that_breaks_is_no_refusal(error: Exception) -> None:
    assert is_of_the_sdk(error)
    assert isinstance(refusal("the run was not submitted", error), QueryError)


@pytest.mark.parametrize("error", REFUSED_QUESTIONS, ids=name_of)
def test_a_refused_question_says_nothing_about_the_call(error: Exception) -> None:
    assert answer_of(error) is None
    assert isinstance(unanswered("Modal does not tell who runs it", error), QueryError)


def test_a_refused_submission_is_a_certain_no() -> None:
    refused = refusal("Modal did not take the run", sdk.PermissionDeniedError("not yours"))
    assert isinstance(refused, SubmissionError)
    assert "Modal refused: not yours" in str(refused)


def test_an_unknown_account_is_named_whatever_was_asked() -> None:
    for translate in (refusal, unanswered):
        error = translate("no answer", sdk.AuthError("bad token"))
        assert isinstance(error, BackendUnavailableError)
        assert "modal setup" in str(error)


@pytest.mark.parametrize(
    ("error", "kind", "settled"),
    [
        (sdk.RemoteError("killed"), "node_fail", True),
        (sdk.InternalFailure("worker lost"), "node_fail", True),
        (ContainerError("in the container: TimeoutError"), "node_fail", True),
        (sdk.FunctionTimeoutError("after 300 s"), "timeout", True),
        (sdk.OutputExpiredError(), "lost", True),
        (sdk.ExecutionError("Could not deserialize remote exception"), "environment", False),
        (sdk.DeserializationError("no module"), "environment", False),
        (ModuleNotFoundError("No module named 'torch'"), "environment", False),
    ],
    ids=name_of,
)
def test_what_a_call_left_is_its_end(error: Exception, kind: str, settled: bool) -> None:
    view = answer_of(error)
    assert view is not None
    assert (view.phase, view.kind, view.settled) == ("ended", kind, settled)


def test_a_call_that_modal_does_not_know_is_unknown() -> None:
    assert answer_of(sdk.NotFoundError("no such call")) == JobView(phase="unknown")


def test_an_error_in_the_container_is_never_taken_for_one_of_the_question() -> None:
    with (
        pytest.raises(ContainerError, match="in the container: TimeoutError"),
        as_container_errors(),
    ):
        raise TimeoutError
