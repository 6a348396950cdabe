"""SIGTERM and SIGHUP to a launch: the words that Ctrl-C gets, and an exit code of their own."""

import os
import signal
import subprocess
import sys

import pytest

from tests.hydra.conftest import Lab
from tmgg.hydra_plugins.end_signals import EndSignal, end_signals_heard, exit_code_after


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_launch_that_is_ended_says_how_many_runs_are_not_submitted(
    lab: Lab, number: int, code: int
) -> None:
    argv = [sys.executable, "-m", "tmgg.cli.experiment", "-cd", "conf", "-cn", "tiny"]
    given = ["-m", "hydra/launcher=tmgg_local", "hydra.launcher.parallelism=1", "x=1,2,3"]
    process = subprocess.Popen(
        [*argv, *given, f"+wait_for={lab.folder}/go"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "running" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(number)
    _out, err = process.communicate(timeout=150)
    lab.write("go", "")

    assert process.returncode == code
    assert "2 of 3 runs were not submitted yet" in err
    assert "# submits the rest, and what failed" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_signal_is_an_interruption_inside_and_its_own_self_outside(number: int) -> None:
    with pytest.raises(EndSignal) as caught, end_signals_heard():
        os.kill(os.getpid(), number)
    assert exit_code_after(caught.value) == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_as_by_nohup_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with end_signals_heard():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
