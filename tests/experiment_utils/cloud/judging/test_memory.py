import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tmgg.errors import NotEndedError
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner
from tmgg.experiment_utils.cloud.judging.memory import Remembered
from tmgg.experiment_utils.cloud.local.runner import LocalBackend
from tmgg.experiment_utils.cloud.runs import RunState

END = RunState(run_id="a", status="completed", final=True)


def square(config: dict[str, float]) -> dict[str, float]:
    if config["x"] < 0:
        raise ValueError("x is negative")
    return {"squared": config["x"] ** 2}


def _config(x: float) -> dict[str, object]:
    return {"x": x, "experiment": {"_target_": f"{__name__}:square"}}


@pytest.mark.parametrize("x", [-2.0, 3.0])
def test_a_runner_that_lives_on_gives_the_end_of_the_run_that_has_the_name_now(
    tmp_path: Path, x: float
) -> None:
    runner = LocalRunner(LocalConfig(output_dir=str(tmp_path)))
    assert runner.run_experiment(_config(1.0), run_id="again").metrics == {"squared": 1.0}
    shutil.rmtree(tmp_path / "again")
    another = LocalRunner(LocalConfig(output_dir=str(tmp_path)))
    expected = another.run_experiment(_config(x), run_id="again")

    assert runner.get_status("again") == expected.status
    found = runner.get_result("again")
    assert (found.status, found.metrics, found.config) == (
        expected.status, expected.metrics, expected.config,
    )  # fmt: skip


def test_a_result_is_read_again_by_whoever_asks_again(tmp_path: Path) -> None:
    runner = LocalRunner(LocalConfig(output_dir=str(tmp_path)))
    first = runner.run_experiment(_config(3.0), run_id="twice")
    assert runner.get_result("twice") == first


@pytest.mark.parametrize("judged", ["here", "elsewhere"])
def test_a_run_made_anew_while_its_end_is_reported_is_not_given_the_old_one(
    tmp_path: Path, judged: str
) -> None:
    config = LocalConfig(output_dir=str(tmp_path))
    runner = LocalRunner(config)
    if judged == "here":
        runner.spawn_experiment(_config(1.0), run_id="again")
    else:
        LocalRunner(config).run_experiment(_config(1.0), run_id="again")

    def replaced(states: Sequence[RunState]) -> None:
        if all(state.final for state in states):
            shutil.rmtree(tmp_path / "again")
            LocalRunner(config).run_experiment(_config(3.0), run_id="again")

    found = runner.get_result("again", on_update=replaced)
    assert (found.metrics, found.config) == ({"squared": 9.0}, _config(3.0))


def test_a_run_submitted_again_while_its_end_is_reported_has_not_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = LocalConfig(output_dir=str(tmp_path))
    LocalRunner(config).run_experiment(_config(-1.0), run_id="again")

    def retried(_states: Sequence[RunState]) -> None:
        monkeypatch.setattr(LocalBackend, "start", lambda *_given: "")  # it waits for ever
        LocalRunner(config).retry("again")

    with pytest.raises(NotEndedError):
        LocalRunner(config).get_result("again", on_update=retried)


@pytest.mark.parametrize(
    ("remembered", "token", "same"),
    [
        (Remembered(token="one"), "one", True),
        (Remembered(token="one"), "two", False),
        (Remembered(token="one"), None, True),  # nobody could read it just now
        (Remembered(), "one", True),  # it was submitted meanwhile
        (Remembered(end=END), "one", False),  # what ended unsubmitted is not submitted later
        (Remembered(end=END), None, True),
    ],
)
def test_what_is_remembered_is_of_one_token(
    remembered: Remembered, token: str | None, same: bool
) -> None:
    assert remembered.is_of(token) is same
