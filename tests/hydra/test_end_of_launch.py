"""The end of a launch, row by row: what is wrong with one job costs the others nothing."""

import logging
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from tests.hydra.job_configs import config
from tmgg.console.ranking import Ranking
from tmgg.console.sweep_summary import SweepRow, save_summary
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.experiment_utils.job.metrics import BARE_NAME
from tmgg.hydra_plugins import job_returns
from tmgg.hydra_plugins.resolving import as_written, written_of_environment


class Absent:
    """Opens with an error of any kind, as a class that is not installed here does."""

    def __init__(self, error: type[BaseException]) -> None:
        self._error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return _raise, (self._error,)


def _raise(error: type[BaseException]) -> None:
    raise error("not here")


def result(folder: Path, run_id: str, metrics: dict[str, float]) -> ExperimentResult:
    return ExperimentResult(
        run_id=run_id,
        config={},
        status="completed",
        metrics=metrics,
        output_path=str(folder / f"{run_id}.out"),
    )


@pytest.mark.parametrize("error", [ImportError, AttributeError, ValueError, SystemExit])
def test_a_return_that_cannot_be_opened_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    for run_id in ("bad", "good"):
        (tmp_path / run_id / "output").mkdir(parents=True)
    bad = tmp_path / "bad" / "output" / "job_return.1.pkl"
    bad.write_bytes(pickle.dumps(Absent(error)))
    sound = JobReturn(status=JobStatus.COMPLETED, _return_value={"loss": 2.0})
    job_returns.leave(sound, tmp_path / "good" / "output", attempt=1)
    results = [result(tmp_path, "bad", {"loss": 1.0}), result(tmp_path, "good", {"loss": 2.0})]
    first, second = job_returns.of_results([config, config], results)
    assert (first.status, first.return_value) == (JobStatus.COMPLETED, {"loss": 1.0})
    assert second.return_value == {"loss": 2.0}
    assert "return value of run bad" in caplog.text


def test_a_number_that_was_returned_bare_comes_back_bare(tmp_path: Path) -> None:
    (tmp_path / "bad" / "output").mkdir(parents=True)
    (tmp_path / "bad" / "output" / "job_return.1.pkl").write_bytes(b"torn")
    results = [result(tmp_path, "bad", {BARE_NAME: 1.5})]
    assert job_returns.of_results([config], results)[0].return_value == 1.5


@pytest.mark.parametrize(
    ("metrics", "returned"),
    [
        ({"value_1": 0.9, "value_0": 0.5}, [0.5, 0.9]),
        ({f"value_{n}": float(n) for n in range(12)}, [float(n) for n in range(12)]),
        ({"value_0": 0.5, "loss": 1.0}, {"value_0": 0.5, "loss": 1.0}),
        ({"value_1": 0.9}, {"value_1": 0.9}),
        ({}, {}),
    ],
)
def test_numbers_that_were_returned_in_a_row_come_back_in_a_row(
    tmp_path: Path, metrics: dict[str, float], returned: object
) -> None:
    (tmp_path / "bad" / "output").mkdir(parents=True)
    (tmp_path / "bad" / "output" / "job_return.1.pkl").write_bytes(b"torn")
    results = [result(tmp_path, "bad", metrics)]
    assert job_returns.of_results([config], results)[0].return_value == returned


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a file of another user")
def test_a_planted_return_is_not_opened(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "run" / "output").mkdir(parents=True)
    planted = tmp_path / "run" / "output" / "job_return.1.pkl"
    planted.write_bytes(pickle.dumps(Touch(mark)))
    os.chown(planted, 5002, 5002)
    with caplog.at_level(logging.WARNING):
        job_returns.of_results([config], [result(tmp_path, "run", {"loss": 1.0})])
    assert not mark.exists()
    assert "belongs to" in caplog.text


class Touch:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mknod, (str(self._mark),)


def test_what_comes_from_the_environment_is_reported_as_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2hunter2")
    composed = OmegaConf.create(
        {
            "tok": "${oc.env:SECRET_TOKEN}",
            "url": "https://x/${tok}",
            "deep": [{"a": "${oc.env:SECRET_TOKEN,none}"}],
            "x": 1,
            "y": "${x}",
            "whole": "${copied}",
            "copied": {"a": "b ${tok}", "x": "${x}"},
            "harmless": "${other}",
            "other": {"x": "${x}"},
            "hydra": {"z": "${oc.env:SECRET_TOKEN}"},
        }
    )
    assert written_of_environment(composed) == {
        "tok": "${oc.env:SECRET_TOKEN}",
        "url": "https://x/${tok}",
        "deep[0].a": "${oc.env:SECRET_TOKEN,none}",
        "whole": "${copied}",
        "copied.a": "b ${tok}",
    }


@pytest.mark.usefixtures("resolvers_forgotten")
def test_where_nothing_comes_from_the_environment_no_resolver_is_asked() -> None:
    asked: list[str] = []
    OmegaConf.register_new_resolver("note", asked.append)
    assert written_of_environment(OmegaConf.create({"x": "${note:a}"})) == {}
    assert asked == []


def test_overrides_are_reported_as_written() -> None:
    texts = OmegaConf.create(["+tok=${oc.env:SECRET_TOKEN}", "+y=${fails:1}", "x=1"])
    assert as_written(texts) == ["+tok=${oc.env:SECRET_TOKEN}", "+y=${fails:1}", "x=1"]


def test_a_summary_has_the_config_without_secrets(tmp_path: Path) -> None:
    secret = {"tok": "hunter2", "deep": [{"a": "hunter2"}], "x": 1}
    told = ExperimentResult(run_id="r", config=secret, status="completed", metrics={})
    written = {"tok": "${oc.env:T}", "deep[0].a": "${oc.env:T}"}
    row = SweepRow(number=0, title="+tok=${oc.env:T}", result=told, as_written=written)
    for path in save_summary([row], Ranking(), tmp_path):
        assert b"hunter2" not in path.read_bytes()
    assert told.config == secret
    assert '"x": 1' in (tmp_path / "sweep_summary.json").read_text()
