"""The real SDK against a stand-in of Modal's servers; a call that the stand-in lacks fails."""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.modal.standin.server import StandIn


@pytest.fixture(scope="session", autouse=True)
def can_use_modal() -> None:
    """Skip without the SDK; in CI that is a failure."""
    if importlib.util.find_spec("modal") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the modal extra must be tested in CI")
        pytest.skip('the SDK is not installed: pip install "tmgg[modal]"')


@pytest.fixture(scope="session")
def running_modal(
    can_use_modal: None,
) -> Iterator["StandIn"]:
    """One server for the session, for the SDK connects to one only in its life."""
    from tests.modal.standin.server import TOKEN, StandIn

    # Short: Ray's sockets are below the containers' temporary folders.
    root = Path(tempfile.mkdtemp(prefix="m-", dir="/tmp"))
    stand_in = StandIn(root)
    stand_in.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODAL_SERVER_URL", stand_in.url)
        patch.setenv("MODAL_TOKEN_ID", TOKEN[0])
        patch.setenv("MODAL_TOKEN_SECRET", TOKEN[1])
        patch.setenv("MODAL_CONFIG_PATH", "/nonexistent")
        yield stand_in
    stand_in.stop()
    shutil.rmtree(root)


@pytest.fixture
def modal_server(running_modal: "StandIn") -> Iterator["StandIn"]:
    """The stand-in, as if new: nothing is refused, and what a test did wrong fails that test."""
    yield running_modal
    running_modal.refused.clear()
    running_modal.unanswered.clear()
    unknown = dict(running_modal.unknown)
    running_modal.unknown.clear()
    errors = list(running_modal.scheduler.errors)
    running_modal.scheduler.errors.clear()
    if running_modal.scheduler.hold:  # the test failed; the next one finds room again
        running_modal.release()
    assert not unknown, f"the stand-in lacks {unknown}"
    assert not errors, f"in the stand-in: {errors}"
