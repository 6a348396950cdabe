"""The script's globals in one pickle: what stays behind, and what is refused."""

import logging
import threading

import pytest

from tmgg.errors import TaskError
from tmgg.experiment_utils.program import sent_globals
from tmgg.experiment_utils.program.captured import capture_program
from tmgg.experiment_utils.program.opening import open_each
from tmgg.experiment_utils.program.pickling import Names
from tmgg.experiment_utils.program.sent_globals import dump_globals


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading the script makes DATA and LOCK; the guarded part has set SET and LATE."""
    monkeypatch.setattr(Names, "is_loaded", lambda _names, name: name in ("DATA", "LOCK", "SET"))
    monkeypatch.setattr(Names, "must_travel", lambda _names, name: name in ("SET", "LATE"))
    monkeypatch.setattr(sent_globals, "LARGEST_TOUCHED_BYTES", 1000)


def opened(**values: object) -> object:
    return dict(open_each(dump_globals(values, capture_program(), user="f")))


@pytest.mark.usefixtures("loaded")
def test_what_two_of_them_share_they_share_in_the_job() -> None:
    shared: list[int] = []

    sent = opened(DATA=[shared], SET=[shared], LOCK=threading.Lock())

    assert isinstance(sent, dict)
    assert sent.keys() == {"DATA", "SET"}
    assert sent["DATA"][0] is sent["SET"][0]


@pytest.mark.usefixtures("loaded")
def test_what_the_guarded_part_has_set_is_refused_if_it_cannot_travel() -> None:
    with pytest.raises(TaskError, match="LATE, which f uses, cannot be sent to a job"):
        opened(LATE=threading.Lock())


@pytest.mark.usefixtures("loaded")
def test_what_is_large_and_was_perhaps_not_changed_stays_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        sent = opened(DATA=b"x" * 2000, SET=b"x" * 2000)

    assert sent == {"SET": b"x" * 2000}
    assert "DATA, which f uses, has more than" in caplog.text


def test_nothing_is_a_pickle_of_nothing() -> None:
    assert dump_globals({}, capture_program(), user="f") == b""
