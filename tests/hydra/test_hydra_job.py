"""What travels to a job of a Hydra app and back."""

import multiprocessing
import os
import pickle
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.types import HydraContext
from omegaconf import OmegaConf

from tests.hydra.conftest import Lab
from tmgg.errors import TaskError
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.identity.run_identity import Identity
from tmgg.experiment_utils.job.context import RunContext, set_current_run
from tmgg.hydra_plugins import hydra_job, job_returns
from tmgg.hydra_plugins.job_process import arguments_of
from tmgg.hydra_plugins.resolving import as_in_job

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


def test_an_exception_that_cannot_be_opened_again_is_reported_in_words() -> None:
    sent = job_returns.portable(_failed(DemandingError(13, "thirteen")))

    opened = pickle.loads(pickle.dumps(sent))
    assert "DemandingError: 13 is thirteen" in str(opened._return_value)
    assert "In the job:" in opened._return_value.__notes__[0]


def test_an_exception_keeps_its_type_and_the_original_is_left_alone() -> None:
    error = KeyError("loss")

    sent = job_returns.portable(_failed(error))

    assert type(sent._return_value) is KeyError
    assert not hasattr(error, "__notes__")


class MuteError(Exception):
    """Has no text, and does not travel."""

    def __init__(self) -> None:
        self.held = threading.Lock()

    def __str__(self) -> str:
        raise ValueError("str fails")


class MuteAtHomeError(MuteError):
    """Travels, but nobody can print it."""

    def __init__(self) -> None:
        pass


@pytest.mark.parametrize("kind", [MuteError, MuteAtHomeError])
def test_an_exception_without_a_text_is_reported_by_its_class_and_its_traceback(
    kind: type[MuteError],
) -> None:
    try:
        raise kind
    except MuteError as error:
        sent = job_returns.portable(_failed(error))

    told = pickle.loads(pickle.dumps(sent))._return_value
    assert str(told) == f"{kind.__name__}: (its text cannot be had: ValueError: str fails)"
    assert "raise kind" in told.__notes__[0]


def test_an_exception_that_opens_as_something_else_is_reported_in_words() -> None:
    class TurningError(Exception):
        def __reduce__(self) -> tuple[Any, ...]:
            return str, ("text",)

    sent = job_returns.portable(_failed(TurningError("lost")))

    assert str(sent._return_value) == "TurningError: lost"


def test_in_the_place_of_a_return_value_that_cannot_travel_is_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = JobReturn(status=JobStatus.COMPLETED)
    made.return_value = threading.Lock()

    sent = job_returns.portable(made)
    job_returns.leave(sent, tmp_path, attempt=1)

    assert sent.status is JobStatus.COMPLETED
    assert caplog.text.count("returned a lock, which cannot be sent back") == 1
    with pytest.raises(job_returns.UnusableReturnError, match="it is a lock, which cannot be"):
        job_returns.load(tmp_path, attempt=1)


def test_however_deep_a_return_value_is_something_is_left(tmp_path: Path) -> None:
    deep: dict[str, Any] = {}
    for level in range(500):
        deep = {"d": deep}
        if level > 150:  # somewhere from here on pickling gives up
            made = JobReturn(status=JobStatus.COMPLETED, _return_value={"y": 2, "deep": deep})
            job_returns.leave(job_returns.portable(made), tmp_path, attempt=level)


class Immovable:
    def __reduce__(self) -> str:
        raise OSError("this machine only")


@pytest.mark.parametrize("make", [threading.Lock, multiprocessing.Lock, Immovable])
def test_a_task_function_that_cannot_travel_is_refused_with_advice(
    make: Callable[[], object],
) -> None:
    held = make()

    with pytest.raises(TaskError, match="not around it"):
        hydra_job.pack_app(lambda config: held, CONTEXT)


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


@pytest.mark.parametrize(
    ("folder", "sweep_folder", "checkpoint"),
    [
        ("/lab/OLD/gnn/3", "/lab/OLD", "/lab/OLD/ck"),
        ("/lab/OLD/3", "/lab/OLD", "/lab/OLD/ck"),
        ("/lab/OLD", "/lab/OLD", "/lab/OLD/ck"),
        ("/elsewhere/3", "/lab/OLD", "/lab/OLD/ck"),
        ("/lab/OLD/3", None, "/lab/OLD/ck"),
    ],
)
@pytest.mark.usefixtures("hydra_state")
def test_a_resumed_job_has_the_output_and_sweep_folders_of_its_first_attempt(
    folder: str, sweep_folder: str | None, checkpoint: str
) -> None:
    setup_globals()
    config = OmegaConf.create(
        {
            "ck": "${hydra:sweep.dir}/ck",
            "hydra": {"sweep": {"dir": "/lab/NEW", "subdir": "gnn/3"}, "runtime": {}},
        }
    )

    places = {"put_into": folder, "put_into_sweep": sweep_folder}
    hydra_job.put_into_recorded(config, places)

    with as_in_job(config, hydra_job.JOB_DIR_KEY, hydra_job.JOB_SUBDIR_KEY):
        assert (config.hydra.runtime.output_dir, config.ck) == (folder, checkpoint)


@pytest.mark.usefixtures("hydra_state", "resolvers_forgotten")
def test_a_job_put_into_its_recorded_folder_has_no_cached_text_of_the_launchs() -> None:
    setup_globals()
    OmegaConf.register_new_resolver("logs", lambda: HydraConfig.get().sweep.dir, use_cache=True)
    OmegaConf.register_new_resolver("token", lambda: os.urandom(8).hex(), use_cache=True)
    hydra = {"runtime": {"cwd": "/"}, "sweep": {"dir": "/lab/NEW", "subdir": "0"}}
    config = OmegaConf.create({"logs": "${logs:}", "token": "${token:}", "hydra": hydra})
    with as_in_job(config, hydra_job.JOB_DIR_KEY, hydra_job.JOB_SUBDIR_KEY):
        launched = (config.logs, config.token)
        envelope = pickle.loads(hydra_job.pack_job(b"", config))

    hydra_job.put_into_recorded(
        config, {**envelope, "put_into": "/lab/OLD/0", "put_into_sweep": "/lab/OLD"}
    )

    assert launched[0] == "/lab/NEW"
    with as_in_job(config, hydra_job.JOB_DIR_KEY, hydra_job.JOB_SUBDIR_KEY):
        assert (config.logs, config.token) == ("/lab/OLD", launched[1])


@pytest.mark.usefixtures("hydra_state", "resolvers_forgotten")
def test_a_job_put_into_its_recorded_folder_has_the_id_that_names_this_folder() -> None:
    setup_globals()
    OmegaConf.register_new_resolver("token", lambda: os.urandom(8).hex(), use_cache=True)
    hydra = {"runtime": {"cwd": "/"}, "sweep": {"dir": "/lab/NEW", "subdir": "${id}"}}
    config = OmegaConf.create({"id": "${token:}", "hydra": hydra})
    with as_in_job(config, hydra_job.JOB_DIR_KEY, hydra_job.JOB_SUBDIR_KEY):
        envelope = pickle.loads(hydra_job.pack_job(b"", config))

    hydra_job.put_into_recorded(
        config, {**envelope, "put_into": "/lab/OLD/0a", "put_into_sweep": "/lab/OLD"}
    )

    with as_in_job(config, hydra_job.JOB_DIR_KEY, hydra_job.JOB_SUBDIR_KEY):
        assert (config.id, config.hydra.runtime.output_dir) == ("0a", "/lab/OLD/0a")


def test_overrides_of_hydra_are_the_jobs_words_as_written() -> None:
    written = ["hydra.job.env_set.TOKEN=${oc.env:SECRET_TOKEN}", "hydra.job.name=${fails:}"]
    overrides = {"hydra": ["hydra.sweep.dir=${fails:}", *written], "task": ["x=${fails:}"]}
    config = OmegaConf.create({"hydra": {"overrides": overrides}})

    assert arguments_of(config)[-3:] == [*written, "x=${fails:}"]


@pytest.mark.parametrize(
    ("folder", "sweep_folder", "is_put"),
    [
        ("/lab/A/b/0", "/lab/A", False),
        ("/lab/x/../A/b/0", "/lab/A", False),
        ("/lab/A/b/0", "/lab/A/b", True),
        ("/lab/OLD/b/0", "/lab/OLD", True),
        (None, None, False),
    ],
)
def test_a_job_is_put_into_its_recorded_folders_only_where_they_are_others(
    folder: str | None, sweep_folder: str | None, is_put: bool
) -> None:
    config = {"runtime": {"cwd": "/", "output_dir": "/lab/A/b/0"}, "sweep": {"dir": "/lab/A"}}
    request = TaskRequest(
        config={},
        target=hydra_job.TARGET,
        payload=hydra_job.pack_job(b"", OmegaConf.create({"hydra": config})),
        identity=Identity(key="k", program="p", folder=folder, sweep_folder=sweep_folder),
    )

    payload = hydra_job.in_folder_of_record(request).payload

    assert payload is not None
    found = pickle.loads(payload)
    if is_put:
        assert (found["put_into"], found["put_into_sweep"]) == (folder, sweep_folder)
    else:
        assert payload == request.payload


def test_only_a_job_with_a_payload_can_run_it() -> None:
    with pytest.raises(TaskError, match="payload"):
        hydra_job.run(OmegaConf.create())


def test_folders_of_scripts_travel_and_those_of_the_interpreter_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not the test process's own: started as `pytest`, it has that script's folder.
    interpreter = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib")]
    monkeypatch.setattr(sys, "path", [str(tmp_path / "mine"), *interpreter])
    config = OmegaConf.create({"hydra": {"runtime": {"cwd": str(tmp_path)}}})

    sent = pickle.loads(hydra_job.pack_job(b"", config))["sys_path"]

    assert sent == [str(tmp_path / "mine")]


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
