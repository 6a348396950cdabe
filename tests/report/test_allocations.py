"""How long a packed job held its nodes."""

from pathlib import Path

import pytest

from tmgg.experiment_utils.run_folder.paths import BatchPaths
from tmgg.experiment_utils.run_folder.phases import Phase
from tmgg.report.allocations import read_allocation, seconds_of
from tmgg.report.held import Unit


def start(**at: float) -> list[Phase]:
    return [Phase(name, seconds, "node1") for name, seconds in at.items()]


WHOLE = start(batch_start=100, entrypoint_start=110, batch_end=160)


@pytest.mark.parametrize(
    ("starts", "until_s", "seconds"),
    [
        ([WHOLE], None, 60),
        ([start(batch_start=10, batch_end=40), WHOLE], None, 90),
        ([start(batch_start=100)], 150, 50),
        ([start(batch_start=100)], None, None),
        ([start(batch_start=10), WHOLE], 999, None),
        ([], 999, None),
    ],
)
def test_all_starts_count_and_what_has_no_end_is_not_guessed(
    starts: list[list[Phase]], until_s: float | None, seconds: float | None
) -> None:
    assert seconds_of(starts, until_s=until_s) == seconds


def test_the_marks_of_earlier_starts_are_found(tmp_path: Path) -> None:
    batch = BatchPaths(tmp_path, "20261123-141503-9f2c01ab.1")
    batch.folder.mkdir(parents=True)
    names = [f"20261123-141503-9f2c01ab-{number}/1 0\n" for number in range(2)]
    batch.runs.write_text("".join(names))
    batch.phases.write_text("batch_start 100 n\nbatch_end 160 n\n")
    (batch.folder / "phases.before-restart-1").write_text("batch_start 10 n\nbatch_end 40 n\n")
    settings = {"nodes": 4, "cpus_per_task": 2}
    found = read_allocation(batch, settings, runs_shown=2, until_s=None)
    assert (found.seconds, found.unit) == (90.0, Unit(cpus=4.0))
    part = read_allocation(batch, settings, runs_shown=1, until_s=None)
    assert part.seconds is None, "what the other run held was not asked"
    batch.runs.write_text("damaged")
    assert read_allocation(batch, settings, runs_shown=2, until_s=None).seconds is None
