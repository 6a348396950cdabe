"""A return value that ends, hangs or interrupts whoever unpickles it costs only itself."""

import functools
import logging
import os
import pickle
import signal
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra.core.utils import JobReturn, JobStatus

from tests.hydra.job_configs import config
from tmgg.experiment_utils.cloud.runs import ExperimentResult
from tmgg.hydra_plugins import first_opening, job_returns
from tmgg.hydra_plugins.first_opening import FirstOpening, OpeningError
from tmgg.hydra_plugins.harmless_error import harmless

ESCAPE = "\x1b]0;PWN\x07\x9b31m"


class Calling:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self._call = (function, args)

    def __reduce__(self) -> Any:
        return self._call


class Mine:
    """A class of the program's own."""

    def __init__(self, value: int) -> None:
        self.value = value


class StrangeEnd(BaseException):
    pass


def end_by_signal() -> None:
    os.kill(0, signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt(kind: type[BaseException]) -> None:
    raise kind


def left_by(folder: Path, run_id: str, returned: object, status: JobStatus) -> ExperimentResult:
    output = folder / run_id / "output"
    output.mkdir(parents=True)
    job_return = JobReturn(status=status, cfg=config(), _return_value=returned)
    (output / "job_return.1.pkl").write_bytes(pickle.dumps(job_return))
    is_good = status is JobStatus.COMPLETED
    return ExperimentResult(
        run_id=run_id,
        config={},
        status="completed" if is_good else "failed",
        metrics={"loss": 1.0},
        output_path=str(folder / f"{run_id}.out"),
    )


ENDINGS = {
    "exit": Calling(os._exit, 7),
    "signal": Calling(end_by_signal),
    "interrupt": Calling(interrupt, KeyboardInterrupt),
    "other": Calling(interrupt, StrangeEnd),
    "system exit": Calling(interrupt, SystemExit),
    "hang": Calling(time.sleep, 10_000),
}


def test_values_that_end_hang_or_interrupt_the_process_cost_only_themselves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = functools.partial(FirstOpening, timeout_s=1.0)
    monkeypatch.setattr(job_returns, "FirstOpening", patient)
    results = []
    for name, ending in ENDINGS.items():
        results.append(left_by(tmp_path, name, ending, JobStatus.COMPLETED))
        results.append(left_by(tmp_path, f"after {name}", Mine(3), JobStatus.COMPLETED))
    with caplog.at_level(logging.WARNING):
        found = job_returns.of_results([config] * len(results), results)
    assert [each.return_value for each in found[::2]] == [{"loss": 1.0}] * len(ENDINGS)
    assert [each.return_value.value for each in found[1::2]] == [3] * len(ENDINGS)
    assert "exit code 7" in caplog.text
    assert "longer than 1 s" in caplog.text
    assert "KeyboardInterrupt" in caplog.text
    assert len(caplog.records) == len(ENDINGS)


SLOW_MODULE = """
import time
time.sleep({pause_s})

class Model:
    pass
"""


def named(module: str) -> bytes:
    """A pickle of a class that its process has to import."""
    return f"c{module}\nModel\n.".encode()


def test_the_time_that_an_import_takes_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "slow_to_import.py").write_text(SLOW_MODULE.format(pause_s=1.3))
    monkeypatch.syspath_prepend(tmp_path)
    with FirstOpening(timeout_s=1.0, import_timeout_s=60.0) as opening:
        assert opening.open(named("slow_to_import")).__name__ == "Model"
    assert "importing slow_to_import takes long" in caplog.text


def test_an_import_that_hangs_costs_only_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "never_imported.py").write_text(SLOW_MODULE.format(pause_s=10_000))
    monkeypatch.syspath_prepend(tmp_path)
    with FirstOpening(timeout_s=20.0, import_timeout_s=0.2) as opening:
        with pytest.raises(OpeningError, match="importing never_imported for it took longer"):
            opening.open(named("never_imported"))
        assert opening.open(pickle.dumps(Mine(3))).value == 3


def test_plain_values_start_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AssertionError("a child was started")

    monkeypatch.setattr(first_opening, "_Child", fail)
    plain = {"a": [1, 2.5, None, {3}, 1j], "path": Path("x"), "more": OrderedDict(b=b"c")}
    array = np.arange(4.0)
    whole = JobReturn(
        status=JobStatus.COMPLETED,
        cfg=config(),
        hydra_cfg=config(),
        _return_value=(plain, array, np.float32(2), np.array(["a", None], dtype=object)),
    )
    with FirstOpening() as opening:
        found = opening.open(pickle.dumps(whole)).return_value
    assert found[0] == plain
    assert (found[1] == array).all()


def test_one_child_opens_all_that_is_not_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    children = []
    make = first_opening._Child

    def counted() -> Any:
        children.append(make())
        return children[-1]

    monkeypatch.setattr(first_opening, "_Child", counted)
    with FirstOpening() as opening:
        assert [opening.open(pickle.dumps(Mine(n))).value for n in range(20)] == list(range(20))
    assert len(children) == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(children[0]._pid, os.WNOHANG)


def test_a_name_with_a_dot_or_a_function_of_a_plain_module_is_not_plain() -> None:
    dotted = b"\x80\x04\x8c\x09omegaconf\x94\x8c\x0eutils.os._exit\x94\x93\x94K\x07\x85R."
    with FirstOpening() as opening:
        with pytest.raises((OpeningError, AttributeError)):
            opening.open(dotted)
        with pytest.raises(OpeningError, match="exit code 5"):
            opening.open(pickle.dumps(Calling(exec, "import os; os._exit(5)")))


def test_an_exception_of_a_job_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    raised = ValueError("msg" + ESCAPE)
    raised.add_note("In the job: " + ESCAPE)
    results = [
        left_by(tmp_path, "told", raised, JobStatus.FAILED),
        left_by(tmp_path, "untold", {"loss": 1.0}, JobStatus.COMPLETED),
    ]
    results[1] = ExperimentResult(
        run_id="untold", config={}, status="failed", error_message="died " + ESCAPE
    )
    first, second = job_returns.of_results([config, config], results)
    error = first._return_value
    assert isinstance(error, ValueError)
    here = ValueError(
        "fine"
    )  # a pickle has no causes; an exception's own __reduce__ may bring some
    here.__cause__ = OSError(2, "none", "file" + ESCAPE)
    cause = harmless(here).__cause__
    told = [str(error), str(cause), *error.__notes__, str(second._return_value)]
    for each in told:
        assert "PWN" in each
        assert not set(each) & set(ESCAPE[:2] + "\x07\x9b") - {"]"}
