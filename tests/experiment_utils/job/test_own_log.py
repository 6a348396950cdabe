"""TMGG's own lines go to stderr, whatever an experiment does with Python's logging."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tmgg.experiment_utils.job.own_log import own_lines_on_stderr

OWN = logging.getLogger("tmgg.experiment_utils.job.something")
PLUGINS = logging.getLogger("tmgg.hydra_plugins.something")
SCIENCE = logging.getLogger("tmgg.training.something")


class JsonHandler(logging.Handler):
    """An app's own, for programs that read its log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.dumps(record.getMessage()))


@pytest.fixture
def handler() -> Iterator[JsonHandler]:
    """At root, which shows INFO; all is put back afterwards."""
    root, made = logging.getLogger(), JsonHandler()
    handlers, level = list(root.handlers), root.level
    root.addHandler(made)
    root.setLevel(logging.INFO)
    yield made
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_handler_of_the_experiments_gets_the_lines_of_the_experiment_alone(
    handler: JsonHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    with own_lines_on_stderr():
        for logger in (OWN, PLUGINS, SCIENCE):
            logger.info("of %s", logger.name)

    assert handler.lines == ['"of tmgg.training.something"']
    told = capsys.readouterr().err.splitlines()
    assert [line.partition("]")[2] for line in told] == [
        "[tmgg.experiment_utils.job.something][INFO] - of tmgg.experiment_utils.job.something",
        "[tmgg.hydra_plugins.something][INFO] - of tmgg.hydra_plugins.something",
    ]


def test_afterwards_all_is_as_before(handler: JsonHandler) -> None:
    with own_lines_on_stderr():
        pass

    OWN.info("later")
    assert handler.lines == ['"later"']
    assert logging.getLogger("tmgg.experiment_utils").handlers == []


SWITCHED_OFF = """
import logging, logging.config
from tmgg.experiment_utils.job.own_log import kept_apart_afterwards, own_lines_on_stderr

own = logging.getLogger("tmgg.experiment_utils.job.something")
with own_lines_on_stderr():
    with kept_apart_afterwards():
        logging.config.dictConfig({
            "version": 1,
            "handlers": {"file": {"class": "logging.FileHandler", "filename": "own.log"}},
            "root": {"level": "ERROR"},
            "loggers": {"tmgg": {"handlers": ["file"]}},
            "disable_existing_loggers": True,
        })
    own.warning("a warning")
    own.info("a word")
"""


def test_warnings_are_told_after_the_experiment_has_switched_all_logging_off(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWITCHED_OFF],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stderr.endswith("[WARNING] - a warning\n")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "own.log").read_text() == ""


def test_lines_go_to_the_stderr_of_their_time(
    handler: JsonHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_lines_on_stderr():
        monkeypatch.setattr(sys, "stderr", replaced := io.StringIO())
        OWN.warning("a warning")

    assert replaced.getvalue().endswith("- a warning\n")
    assert handler.lines == []


def test_debug_lines_are_told_where_the_experiments_are(
    handler: JsonHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    with own_lines_on_stderr():
        OWN.debug("a detail")

    assert "[DEBUG] - a detail" in capsys.readouterr().err
