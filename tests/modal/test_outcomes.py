"""What is made of the errors by which questions to Modal end."""

import pytest

from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud.modal.outcomes import answer_of, refusal, sdk_errors


@pytest.fixture
def lost() -> Exception:
    from grpclib.exceptions import StreamTerminatedError

    error: Exception = StreamTerminatedError("Connection lost")
    return error


def test_a_connection_that_breaks_says_nothing_about_the_call(lost: Exception) -> None:
    assert answer_of(lost) is None


def test_a_connection_that_breaks_is_no_refusal(lost: Exception) -> None:
    assert isinstance(lost, sdk_errors())
    assert isinstance(refusal("the run was not cancelled", lost), QueryError)
