"""What a job opens of its submitter's pickles, and how it names what cannot be opened."""

import pickle
from typing import Any

import pytest

from tmgg.errors import TaskError
from tmgg.experiment_utils.program.captured import capture_program
from tmgg.experiment_utils.program.opening import open_each, open_part
from tmgg.experiment_utils.program.sent_globals import dump_globals


class NeedsTwoError(Exception):
    """Can be pickled; to open it, its class would need another argument."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


class NeedsModule:
    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, ("no_such_module",)


def test_a_value_that_cannot_be_opened_is_named_with_the_reason() -> None:
    sent = dump_globals({"DATA": [1], "GONE": NeedsTwoError("a", "b")}, capture_program(), user="f")
    opened = open_each(sent)

    assert next(opened) == ("DATA", [1])
    with pytest.raises(TaskError, match=r"GONE, a global of the script, .*TypeError: .*second"):
        next(opened)


def test_a_part_that_cannot_be_opened_is_named() -> None:
    with pytest.raises(TaskError, match="an argument was sent to this job and cannot be opened"):
        open_part(pickle.dumps(NeedsTwoError("a", "b")), what="an argument")


def test_a_module_that_the_job_lacks_is_an_import_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        open_part(pickle.dumps(NeedsModule()), what="an argument")


def test_globals_of_an_earlier_version_are_opened() -> None:
    assert dict(open_each(pickle.dumps({"DATA": [1], "SET": 2}))) == {"DATA": [1], "SET": 2}
