"""What an experiment learns of its run on a node whose client of the file system has caches."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.network_folder import Clients, clients
from tmgg.experiment_utils.job.context import RunContext, set_current_run
from tmgg.experiments.run_resources import StopFile

__all__ = ["clients"]


@pytest.fixture(autouse=True)
def no_run() -> Iterator[None]:
    yield
    set_current_run(None)  # it forgets what this run has read and said


def of_context(stop: Path) -> bool:
    return RunContext(run_id="r", output_dir=stop.parent, stop_path=stop).stop_requested()


def of_training(stop: Path) -> bool:
    return StopFile(stop)()


@pytest.mark.parametrize("is_asked", [of_context, of_training])
def test_a_request_to_stop_from_another_node_is_seen_at_once(
    clients: Clients, is_asked: Callable[[Path], bool]
) -> None:
    stop = clients.b / "stop"
    assert not is_asked(stop)
    (clients.a / "stop").write_text("time_limit\n")
    assert not stop.exists()
    assert is_asked(stop)


@pytest.mark.parametrize("is_found", [
    lambda context, checkpoint: context.previous_checkpoint == checkpoint,
    lambda context, checkpoint: context.has_left(checkpoint),
])  # fmt: skip
def test_a_checkpoint_of_an_attempt_on_another_node_is_found(
    clients: Clients, tmp_path: Path, is_found: Callable[[RunContext, Path], bool]
) -> None:
    checkpoint = clients.b / "output" / "last.ckpt"
    assert not checkpoint.parent.exists()
    (clients.a / "output").mkdir()
    (clients.a / "output" / "last.ckpt").touch()
    assert not checkpoint.exists()
    note = tmp_path / "checkpoint"
    note.write_text(f"{checkpoint}\n")
    context = RunContext(run_id="r", output_dir=checkpoint.parent, checkpoint_note=note)
    assert is_found(context, checkpoint)
