"""What is made of the errors by which questions to Modal end."""

import grpclib.exceptions

from tmgg.errors import QueryError
from tmgg.experiment_utils.cloud.modal.outcomes import answer_of, refusal, sdk_errors

LOST = grpclib.exceptions.StreamTerminatedError("Connection lost")


def test_a_connection_that_breaks_says_nothing_about_the_call() -> None:
    assert answer_of(LOST) is None


def test_a_connection_that_breaks_is_no_refusal() -> None:
    assert isinstance(LOST, sdk_errors())
    assert isinstance(refusal("the run was not cancelled", LOST), QueryError)
