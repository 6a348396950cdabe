"""When a container hears that its call was cancelled; nothing that it started goes on then."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.cloud.modal import cluster, container
from tmgg.experiment_utils.cloud.modal.cancellations import CANCELS, hearing, held_back
from tmgg.experiment_utils.cloud.modal.parcel import Parcel

CALL = "fc-1"


class CancelledError(BaseException):
    """As the SDK's InputCancellation."""


@pytest.fixture(autouse=True)
def sdk_handler() -> Iterator[None]:
    """The SDK's, as it is while a function runs; it must be there afterwards, too."""

    def cancel(_number: int, _frame: object) -> None:
        raise CancelledError

    earlier = signal.signal(CANCELS, cancel)
    yield
    assert signal.signal(CANCELS, earlier) is cancel


class CancelledInPopen(subprocess.Popen[bytes]):
    """The cancellation comes after the fork, before anybody has the handle."""

    started: list["CancelledInPopen"]

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.started.append(self)
        os.kill(os.getpid(), CANCELS)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[CancelledInPopen]]:
    found: list[CancelledInPopen] = []
    monkeypatch.setattr(CancelledInPopen, "started", found, raising=False)
    monkeypatch.setattr(subprocess, "Popen", CancelledInPopen)
    yield found
    for process in found:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A parcel whose claim is granted."""

    async def claim(_token: str, call_id: str) -> str:
        return call_id

    for module in (container, cluster):
        monkeypatch.setattr(module, "current_call_id", lambda: CALL)
        monkeypatch.setattr(module, "claim", claim)
    task = {
        "run_id": "run",
        "target": "tests.modal.lab:hold",
        "config": {"hold_s": 900},
        "version": 1,
    }
    return Parcel(
        token="0" * 32,
        submission=1,
        base_dir=str(tmp_path / "work"),
        task=task,
        payload=None,
        artifacts=b"",
        artifacts_limit_bytes=1 << 20,
    ).to_plain()


def test_a_cancellation_just_after_the_fork_ends_the_supervisor(
    plain: dict[str, Any], started: list[CancelledInPopen]
) -> None:
    with pytest.raises(CancelledError):
        container.run_parcel(plain)

    (supervisor,) = started
    assert supervisor.returncode is not None


def test_a_cancellation_just_after_the_fork_ends_rays_head(
    monkeypatch: pytest.MonkeyPatch, started: list[CancelledInPopen]
) -> None:
    head = cluster.Head("127.0.0.1", 1)
    monkeypatch.setattr(cluster, "_start_ray", lambda *_options: subprocess.Popen(["sleep", "900"]))

    with pytest.raises(CancelledError), held_back(), cluster.ray_head(head, nodes=2):
        pytest.fail("its nodes have not come together")

    assert [process.returncode is not None for process in started] == [True, True]


def test_a_cancellation_that_was_held_back_is_raised_at_the_end() -> None:
    steps = []

    def work() -> None:
        with held_back():
            os.kill(os.getpid(), CANCELS)
            steps.append("went on")

    with pytest.raises(CancelledError):
        work()
    assert steps == ["went on"]


def test_a_wait_is_interrupted() -> None:
    def wait() -> None:
        os.kill(os.getpid(), CANCELS)
        pytest.fail("it was not heard")

    with held_back():
        with pytest.raises(CancelledError):
            hearing(wait)
        os.kill(os.getpid(), CANCELS)  # once more, while what was started is ended
        with pytest.raises(CancelledError):
            hearing(lambda: None)


def test_in_another_thread_nothing_is_changed() -> None:
    answers: list[object] = []

    def work() -> None:
        with held_back():
            answers.append(hearing(lambda: 5))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [5]
