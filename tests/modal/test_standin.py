"""The stand-in itself: no input is forgotten, whatever its containers do meanwhile."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tmgg.experiment_utils.cloud import ModalConfig, ModalRunner

if TYPE_CHECKING:
    from tests.modal.standin.server import StandIn
    from tests.modal.standin.world import Container

PATIENCE_S = 120.0
LONG_S = 900


def config(experiment: str, **values: Any) -> dict[str, Any]:
    return {"experiment": {"_target_": f"tests.modal.lab:{experiment}"}, **values}


@pytest.fixture
def runner(
    modal_server: "StandIn", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModalRunner]:
    from tests.modal.standin import container_calls

    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    # An idle container stays until it is dismissed.
    monkeypatch.setattr(container_calls, "IDLE_WAIT_S", 600.0)
    yield ModalRunner(
        ModalConfig(output_dir=str(tmp_path / "runs"), local_packages=("tests.modal.lab",))
    )
    for container in list(modal_server.world.containers.values()):
        if container.is_idle:
            modal_server.dismiss(container)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def container_of(modal_server: "StandIn", call_id: str | None) -> "Container":
    (one,) = modal_server.world.calls[str(call_id)].inputs.values()
    assert one.container is not None
    return one.container


@contextmanager
def stopped(container: "Container") -> Iterator[None]:
    """As on a machine that is so busy that its process does not run for a while."""
    os.kill(container.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(container.process.pid, signal.SIGCONT)


def test_an_input_that_comes_while_the_idle_container_ends_gets_another_one(
    runner: ModalRunner, modal_server: "StandIn"
) -> None:
    first = runner.spawn_experiment(config("train", size_bytes=1))
    runner.get_result(first)
    container = container_of(modal_server, first.job_id)
    with stopped(container):
        modal_server.dismiss(container)
        second = runner.spawn_experiment(config("train", size_bytes=1))

        assert runner.get_result(second).status == "completed"
        assert container_of(modal_server, second.job_id) is not container


def test_an_input_that_waits_for_a_busy_container_gets_another_one_when_that_one_dies(
    runner: ModalRunner, modal_server: "StandIn", monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.modal.standin import scheduler

    monkeypatch.setattr(scheduler, "MOST_CONTAINERS", 1)
    modal_server.scheduler.hold = True
    first = runner.spawn_experiment(config("last_breath"))
    second = runner.spawn_experiment(config("train", size_bytes=1))
    modal_server.release()

    assert runner.get_result(first).status == "failed"
    assert runner.get_result(second).status == "completed"


def test_a_cancellation_is_not_lost_on_a_container_that_does_not_answer_yet(
    runner: ModalRunner, modal_server: "StandIn", tmp_path: Path
) -> None:
    first = runner.spawn_experiment(config("train", size_bytes=1))
    runner.get_result(first)
    container = container_of(modal_server, first.job_id)
    with stopped(container):
        second = runner.spawn_experiment(config("hold", hold_s=LONG_S))
        wait_until(lambda: container.current is not None)
        assert runner.cancel(second.run_id)

    result = runner.get_result(second)
    assert result.failure is not None
    assert result.failure.kind == "cancelled"


def test_waits_that_are_given_up_twice_keep_nobody_from_going_on(tmp_path: Path) -> None:
    from tests.modal.standin.world import World

    async def give_up() -> None:
        world = World(tmp_path)
        waits = [
            asyncio.create_task(world.wait_until(lambda: False, PATIENCE_S)) for _each in range(2)
        ]
        for _again in range(2):  # their connection is lost, and the server stops
            await asyncio.sleep(0)
            for each in waits:
                each.cancel()
        await asyncio.wait(waits)
        world.tell()
        await asyncio.wait_for(world.wait_until(lambda: True, PATIENCE_S), PATIENCE_S)

    asyncio.run(give_up())
