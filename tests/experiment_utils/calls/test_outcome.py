"""What a call leaves, and whose files are opened."""

import os
import pickle
import threading
from pathlib import Path

import pytest

from tmgg.errors import ForeignFileError, TaskError
from tmgg.experiment_utils.calls.outcome import leave_raised, leave_returned, load_outcome

FILE = "call_return.1.pkl"


class TwoWordsError(Exception):
    """Pickles well and does not open."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one)
        self.other = other


class Canary:
    """Notes that somebody opened its pickle."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("canary",)


def test_a_value_of_any_kind_comes_back(tmp_path: Path) -> None:
    leave_returned(tmp_path, {"a": (1, {2})}, attempt=1)
    outcome = load_outcome(tmp_path, attempt=1)

    assert outcome is not None
    assert (outcome.kind, outcome.open()) == ("returned", {"a": (1, {2})})
    assert load_outcome(tmp_path, attempt=2) is None
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_value_that_cannot_travel_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"returned a lock, which cannot be sent back"):
        leave_returned(tmp_path, threading.Lock(), attempt=1)


def test_an_exception_comes_back_as_itself_with_its_traceback(tmp_path: Path) -> None:
    try:
        raise KeyError("purple")
    except KeyError as raised:
        leave_raised(tmp_path, raised, attempt=1)
    outcome = load_outcome(tmp_path, attempt=1)

    assert outcome is not None
    error = outcome.open()
    assert (outcome.kind, type(error), error.args) == ("raised", KeyError, ("purple",))
    assert 'raise KeyError("purple")' in error.__notes__[0]


def test_an_exception_that_does_not_open_is_not_left(tmp_path: Path) -> None:
    leave_raised(tmp_path, TwoWordsError("a", "b"), attempt=1)
    assert load_outcome(tmp_path, attempt=1) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE).write_bytes(b"returned\n" + pickle.dumps(Canary()))
    os.chown(tmp_path / FILE, 12345, 12345)

    with pytest.raises(ForeignFileError, match="is not read"):
        load_outcome(tmp_path, attempt=1)
    assert not (tmp_path / "canary").exists()


def test_a_file_that_others_can_write_is_not_opened(tmp_path: Path) -> None:
    leave_returned(tmp_path, 1, attempt=1)
    tmp_path.chmod(0o755)
    (tmp_path / FILE).chmod(0o622)
    with pytest.raises(ForeignFileError, match="is not read"):
        load_outcome(tmp_path, attempt=1)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    leave_returned(tmp_path, 1, attempt=1)
    (tmp_path / FILE).rename(tmp_path / "elsewhere")
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForeignFileError, match="is not read"):
        load_outcome(tmp_path, attempt=1)
