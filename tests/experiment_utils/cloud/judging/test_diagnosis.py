"""The words for an experiment that said itself why it failed."""

import pytest

from tmgg.experiment_utils.cloud.judging.diagnosis import diagnose_output
from tmgg.experiment_utils.run_folder.task import TaskOutput


@pytest.mark.parametrize(
    ("stage", "first"),
    [
        ("load", "The experiment could not be loaded: ModuleNotFoundError: No module named 'x'"),
        ("run", "The experiment raised ModuleNotFoundError: No module named 'x'"),
        ("ray", "The experiment could not reach Ray: ModuleNotFoundError: No module named 'x'"),
    ],
)
def test_an_import_that_fails_is_reported_where_it_failed(stage: str, first: str) -> None:
    output = TaskOutput(
        run_id="r", status="failed", stage=stage, error_type="ModuleNotFoundError",
        error_message="No module named 'x'",
    )  # fmt: skip
    assert diagnose_output(output).message.splitlines()[0] == first


def test_an_error_without_words_is_its_class() -> None:
    output = TaskOutput(run_id="r", status="failed", error_type="MemoryError", error_message="")
    assert diagnose_output(output).message.splitlines() == [
        "The experiment raised MemoryError", "MemoryError",
    ]  # fmt: skip
