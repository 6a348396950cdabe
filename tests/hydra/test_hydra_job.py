"""What travels to a job of a Hydra app and back."""

import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext
from omegaconf import OmegaConf

from tests.hydra.conftest import Lab
from tmgg.errors import TaskError
from tmgg.experiment_utils.context import RunContext, set_current_run
from tmgg.hydra_plugins import hydra_job, job_returns

CONTEXT = HydraContext(config_loader=None, callbacks=None)  # type: ignore[arg-type]


class DemandingError(Exception):
    """Pickles well and does not open again: its __init__ takes more than its message."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__(f"{number} is {name}")


@pytest.mark.parametrize(
    ("returned", "metrics"),
    [
        (None, {}),
        (0.5, {"value": 0.5}),
        (True, {"value": True}),
        ((1.0, 2), {"value_0": 1.0, "value_1": 2}),
        ({"a": 1, "b": "text", "c": None, "d": 2.5}, {"a": 1, "d": 2.5}),
        ({"a": 1, "checkpoint_path": "/x"}, {"a": 1, "checkpoint_path": "/x"}),
        ("text", {}),
        ({1: 2}, {"1": 2}),
    ],
)
def test_the_numbers_a_task_function_returns_are_the_metrics(
    returned: object, metrics: dict[str, Any]
) -> None:
    assert job_returns.metrics_of(returned) == metrics


def test_numbers_of_numpy_and_torch_become_pythons() -> None:
    numpy = pytest.importorskip("numpy")

    assert job_returns.metrics_of({"a": numpy.float32(0.5), "b": numpy.arange(3)}) == {"a": 0.5}


def test_an_exception_that_cannot_be_opened_again_is_told_in_words() -> None:
    sent = job_returns.portable(_failed(DemandingError(13, "thirteen")))

    opened = pickle.loads(pickle.dumps(sent))
    assert "DemandingError: 13 is thirteen" in str(opened._return_value)
    assert "In the job:" in opened._return_value.__notes__[0]


def test_an_exception_keeps_its_type_and_the_original_is_left_alone() -> None:
    error = KeyError("loss")

    sent = job_returns.portable(_failed(error))

    assert type(sent._return_value) is KeyError
    assert not hasattr(error, "__notes__")


def test_a_return_value_that_cannot_travel_makes_the_job_a_failed_one() -> None:
    made = JobReturn(status=JobStatus.COMPLETED)
    made.return_value = threading.Lock()

    sent = job_returns.portable(made)

    assert sent.status is JobStatus.FAILED
    assert "returned a lock, which cannot be sent back" in str(sent._return_value)
    assert made.status is JobStatus.COMPLETED


def test_a_task_function_that_cannot_travel_is_refused_with_advice() -> None:
    lock = threading.Lock()

    with pytest.raises(TaskError, match="not around it"):
        hydra_job.pack_app(lambda config: lock, CONTEXT)


def test_each_attempt_leaves_its_own_return(tmp_path: Path) -> None:
    first, second = _failed(KeyError("loss")), JobReturn(status=JobStatus.COMPLETED)
    job_returns.leave(first, tmp_path, attempt=1)
    job_returns.leave(second, tmp_path, attempt=2)

    assert job_returns.load(tmp_path, attempt=2) == second
    assert job_returns.load(tmp_path, attempt=3) is None
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_job_on_another_python_says_so(tmp_path: Path) -> None:
    config = OmegaConf.create({"hydra": {"runtime": {"cwd": str(tmp_path)}}})
    envelope = pickle.loads(hydra_job.pack_job(b"", config))
    envelope["python"] = [2, 7]

    with pytest.raises(TaskError, match=r"submitted with Python 2\.7"):
        _run_payload(tmp_path, pickle.dumps(envelope))


def test_only_a_job_with_a_payload_can_run_it() -> None:
    with pytest.raises(TaskError, match="payload"):
        hydra_job.run(OmegaConf.create())


def test_folders_of_scripts_travel_and_those_of_the_interpreter_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))
    config = OmegaConf.create({"hydra": {"runtime": {"cwd": str(tmp_path)}}})

    sent = pickle.loads(hydra_job.pack_job(b"", config))["sys_path"]

    assert str(tmp_path / "mine") in sent
    assert not any(path.startswith(sys.prefix) for path in sent)


def _failed(error: Exception) -> JobReturn:
    made = JobReturn(status=JobStatus.FAILED)
    made.return_value = error
    return made


def _run_payload(folder: Path, payload: bytes) -> None:
    path = folder / "payload.pkl"
    path.write_bytes(payload)
    set_current_run(RunContext(run_id="r", output_dir=folder, payload_path=path))
    try:
        hydra_job.run(OmegaConf.create())
    finally:
        set_current_run(None)


def test_after_a_warm_up_opening_a_payload_imports_nothing(lab: Lab) -> None:
    lab.run("-m", "hydra/launcher=tmgg_local", "x=1")
    (payload,) = lab.find("local_outputs/*/payload.pkl")
    code = (
        "import pickle, sys, tmgg.hydra_plugins.hydra_job as job\n"
        "job.warm_up()\n"
        "before = set(sys.modules)\n"
        f"envelope = pickle.load(open({str(payload)!r}, 'rb'))\n"
        "pickle.loads(envelope['app']), pickle.loads(envelope['config'])\n"
        "print(sorted(set(sys.modules) - before))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=150, check=True
    )

    assert done.stdout == "[]\n"
