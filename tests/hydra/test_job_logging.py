"""What a Hydra app logs in a job: the same lines as with Hydra's basic launcher."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from tmgg.hydra_plugins.job_logging import configure_as_launched

APP = """
import logging

import hydra

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path=None, config_name=None)
def main(config):
    log.debug("a detail")
    log.info("a word")
    logging.getLogger("other").info("another's word")
    log.warning("a warning")
    return "a text"


if __name__ == "__main__":
    main()
"""
# Of Hydra's own examples/configure_hydra/logging.
CUSTOM = """
version: 1
formatters:
  simple:
    format: "[%(levelname)s] - %(message)s"
handlers:
  console:
    class: logging.StreamHandler
    formatter: simple
    stream: ext://sys.stdout
root:
  handlers: [console]
disable_existing_loggers: false
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A script, with a `job_logging` that gives root no level."""
    (tmp_path / "app.py").write_text(APP)
    custom = tmp_path / "conf" / "hydra" / "job_logging" / "custom.yaml"
    custom.parent.mkdir(parents=True)
    custom.write_text(CUSTOM)
    return tmp_path / "app.py"


@pytest.fixture
def logging_state() -> Iterator[None]:
    """Root's handlers and level, put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param(["hydra/job_logging=custom"], id="root without a level"),
        pytest.param(["hydra/job_logging=none"], id="no job_logging"),
        pytest.param(["hydra/job_logging=custom", "hydra.verbose=true"], id="verbose"),
        pytest.param(["hydra/job_logging=none", "hydra.verbose=[__main__]"], id="one logger"),
        pytest.param(["hydra/job_logging=custom", "hydra/hydra_logging=none"], id="none before"),
        pytest.param(["hydra/job_logging=disabled"], id="disabled"),
    ],
)
def test_a_job_prints_what_it_prints_with_the_basic_launcher(app: Path, choices: list[str]) -> None:
    basic = _words_of_app(_run(app, "basic", *choices))

    _run(app, "tmgg_local", *choices)

    (job,) = app.parent.glob("local_outputs/*.out")
    assert _words_of_app(job.read_text()) == basic


def test_the_lines_of_an_app_without_a_level_are_not_lost(app: Path) -> None:
    _run(app, "tmgg_local", "hydra/job_logging=custom")

    (job,) = app.parent.glob("local_outputs/*.out")
    assert "[INFO] - a word\n[INFO] - another's word\n[WARNING] - a warning\n" in job.read_text()


def test_the_log_of_an_app_has_the_lines_of_the_app_alone(app: Path) -> None:
    _run(app, "basic")
    basic = (app.parent / "sweep" / "0" / "app.log").read_text()
    (app.parent / "sweep" / "0" / "app.log").unlink()

    _run(app, "tmgg_local")

    found = (app.parent / "sweep" / "0" / "app.log").read_text()
    assert _words_of_app(found) == _words_of_app(basic)
    assert found.count("\n") == basic.count("\n")
    (errors,) = app.parent.glob("local_outputs/*.err")
    told = errors.read_text()
    assert "[tmgg.experiment_utils.job.execute][INFO] - Experiment completed\n" in told
    assert "[tmgg.experiment_utils.job.metrics][WARNING] - 1 value is not a number: value" in told
    (output,) = app.parent.glob("local_outputs/*.out")
    assert "Experiment completed" not in output.read_text()


def test_a_file_of_the_launching_process_is_not_emptied(
    tmp_path: Path, logging_state: None
) -> None:
    launch_log = tmp_path / "launch.log"
    launch_log.write_text("Launching\n")
    config = _config(
        {
            "handlers": {
                "file": {"class": "logging.FileHandler", "filename": str(launch_log), "mode": "w"},
            },
            "root": {"level": "INFO", "handlers": ["file"]},
        }
    )

    configure_as_launched(config)

    assert launch_log.read_text() == "Launching\n"
    assert logging.getLogger().level == logging.INFO
    assert "delay" not in config.hydra.hydra_logging.handlers.file


def test_handlers_that_this_node_cannot_have_are_a_warning(
    logging_state: None, caplog: pytest.LogCaptureFixture
) -> None:
    handlers = {"odd": {"class": "only.on.the.login.node.Handler"}}
    root = {"handlers": ["odd"]}

    configure_as_launched(_config({"handlers": handlers, "root": root}))

    assert "hydra.hydra_logging cannot be configured in the job: " in caplog.text
    assert "only" in caplog.text


@pytest.mark.parametrize("settings", [{"root": None}, {"root": {"level": "ERROR"}}])
def test_a_hydra_logging_may_have_no_handlers(
    settings: dict[str, Any], logging_state: None
) -> None:
    configure_as_launched(_config(settings))


def _config(hydra_logging: dict[str, Any]) -> DictConfig:
    settings = {"version": 1, "disable_existing_loggers": False, **hydra_logging}
    config = OmegaConf.create({"hydra": {"hydra_logging": settings, "verbose": False}})
    OmegaConf.set_struct(config, True)
    OmegaConf.set_readonly(config, True)
    return config


def _words_of_app(printed: str) -> list[str]:
    """Its lines, without the time before them."""
    words = ("a detail", "a word", "another's word", "a warning")
    lines = (re.sub(r"^\[\d{4}-[^]]*\]", "", line) for line in printed.splitlines())
    return [line for line in lines if line.endswith(words)]


def _run(app: Path, launcher: str, *choices: str) -> str:
    chosen = [f"hydra/launcher={launcher}", "hydra.sweep.dir=sweep", *choices]
    done = subprocess.run(
        [sys.executable, str(app), "--config-dir", "conf", "-m", *chosen],
        cwd=app.parent,
        env=os.environ | {"TMGG_HOME": str(app.parent / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
