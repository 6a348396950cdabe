"""Sweepers that end before their last batch, that have no jobs, or that need values."""

import importlib.util
import os
import subprocess
import sys

import pytest
from hydra._internal.core_plugins import basic_sweeper
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.sweeper import Sweeper

from tests.hydra import stand_in
from tests.hydra.conftest import Ended, Lab
from tmgg.errors import ConfigError
from tmgg.hydra_plugins.sweepers import (
    may_need_values,
    refuse_detached,
    saying_what_is_left,
    sweeper_in_setup,
)

SWEEP = ("-m", "hydra/launcher=tmgg_slurm", "hydra.sweep.dir=sweep")
NOT_LAUNCHED = "of this sweep were not launched"
needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_optuna_sweeper") is None,
    reason="pip install --group test",
)


def basic(*sizes: int, launched: int) -> Sweeper:
    """With batches of these sizes, the first of which are launched."""
    # Not imported by its name: Hydra's scan for plugins may have made the class anew.
    sweeper = basic_sweeper.BasicSweeper(max_batch_size=None)
    sweeper.overrides = [[["x=1"]] * size for size in sizes]
    sweeper.batch_index = launched
    return sweeper


class Choosing(Sweeper):
    """Another sweeper than Hydra's own; it holds one that sets the launcher up."""

    def __init__(self, inner: Sweeper | None = None) -> None:
        self.inner = inner
        self.found: Sweeper | None = None

    def setup(self, **parts: object) -> None:
        if self.inner is not None:
            self.inner.setup(**parts)  # type: ignore[arg-type]
            self.found = getattr(self.inner, "found", None)
        else:
            self.found = sweeper_in_setup()

    def sweep(self, arguments: list[str]) -> None:
        raise NotImplementedError


def said(capsys: pytest.CaptureFixture[str], sweeper: Sweeper | None, *statuses: JobStatus) -> str:
    with saying_what_is_left(sweeper) as returns:
        returns += [JobReturn(status=status) for status in statuses]
    return capsys.readouterr().err


def test_after_a_failed_run_the_jobs_of_later_batches_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, bad = JobStatus.COMPLETED, JobStatus.FAILED
    three = basic(2, 2, 1, launched=1)
    assert said(capsys, three, good, bad).startswith(f"3 jobs {NOT_LAUNCHED}: Hydra's basic")
    assert said(capsys, basic(1, 1, launched=1), bad).startswith("1 job of this sweep was not")
    assert said(capsys, three, good, good) == ""
    assert said(capsys, basic(2, 2, launched=2), good, bad) == ""
    assert said(capsys, Choosing(), bad) == ""
    assert said(capsys, None, bad) == ""


def test_the_outermost_sweeper_is_found_and_may_need_values() -> None:
    outer = Choosing(Choosing())
    outer.setup()
    assert outer.found is outer
    assert sweeper_in_setup() is None
    assert may_need_values(outer)
    assert not may_need_values(basic(1, launched=0))
    with pytest.raises(ConfigError, match=r"detach=true .* Choosing may choose"):
        refuse_detached(outer)
    refuse_detached(basic(1, launched=0))
    refuse_detached(None)


def batches(lab: Lab, values: str, *more: str) -> Ended:
    return lab.run(*SWEEP, "hydra.sweeper.max_batch_size=1", f"x={values}", *more)


@pytest.mark.parametrize("more", [(), ("hydra.launcher.max_failures=1",)])
def test_a_failed_batch_says_what_of_the_sweep_was_not_launched(
    lab: Lab, more: tuple[str, ...]
) -> None:
    ended = batches(lab, "raise,2,3,4,5", *more)

    assert ended.code == 1
    assert f"4 jobs {NOT_LAUNCHED}: Hydra's basic sweeper ends after a batch" in ended.err
    assert "hydra.launcher.resume=true" in ended.err


def test_an_interrupted_batch_says_it_too(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in.StandIn, "interrupt_at_poll", 1)

    ended = batches(lab, "1,2,3")

    assert ended.code == 130
    assert f"2 jobs {NOT_LAUNCHED}. The same command" in ended.err


@pytest.mark.parametrize("more", [(), ("hydra.launcher.dry_run=true",), ("--dry-run",)])
@pytest.mark.parametrize("values", ["range(1,1)", "glob(zz*)"])
def test_a_sweep_without_jobs_says_so_and_is_no_error(
    lab: Lab, values: str, more: tuple[str, ...]
) -> None:
    key = "x" if values.startswith("range") else "model"

    ended = lab.run(*SWEEP, f"{key}={values}", *more)

    assert ended.code == 0, ended.err
    assert "This sweep has no jobs" in ended.out + ended.err


APP = """
import hydra


@hydra.main(version_base="1.3", config_path=None)
def main(config):
    return (config.x - 3) ** 2


if __name__ == "__main__":
    main()
"""


def optimised(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: Optuna and its database kit warn of their own ways."""
    lab.write("app.py", APP)
    sweeper = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=3")
    command = ("app.py", "-m", "+x=interval(0,6)", "hydra/launcher=tmgg_local", *sweeper)
    return subprocess.run(
        [sys.executable, *command, *arguments],
        cwd=lab.folder,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@needs_optuna
def test_a_sweeper_that_needs_values_is_refused_a_launch_that_does_not_wait(lab: Lab) -> None:
    ended = optimised(lab, "hydra.launcher.detach=true")

    assert ended.returncode == 1
    assert ended.stderr.startswith("error: hydra.launcher.detach=true returns before")
    assert "OptunaSweeper" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not lab.find("local_outputs")


@needs_optuna
def test_a_dry_run_of_a_sweeper_that_needs_values_shows_the_first_batch(lab: Lab) -> None:
    ended = optimised(lab, "hydra.launcher.dry_run=true")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count(" would start ") == 3
    assert "# the sweeper may choose more jobs, by the values of these" in ended.stdout
    assert "Failed experiment" not in ended.stdout + ended.stderr
    assert not lab.find("local_outputs")
