"""The title and the file of a report."""

from pathlib import Path

import pytest

from tests.jobs.conftest import record_sweep
from tmgg.cli.meanings import Meaning
from tmgg.cli.report_names import name_report
from tmgg.cli.selection import Selection
from tmgg.experiment_utils.cloud.runs_on_record.known_run import read_known_run
from tmgg.experiment_utils.run_folder.paths import RunPaths

SWEEP = "20261123-091502-aaaaaaaa"


def selected(*meanings: Meaning) -> Selection:
    paths = [each for meaning in meanings for each in meaning.runs]
    return Selection([*meanings], [read_known_run(each) for each in paths])


def runs(folder: Path, *numbers: int) -> tuple[RunPaths, ...]:
    return tuple(RunPaths(folder, f"{SWEEP}-{number}") for number in numbers)


def test_a_whole_sweep_has_its_name_and_id_however_it_was_meant(tmp_path: Path) -> None:
    ids = [f"{SWEEP}-{n}" for n in range(3)]
    paths = record_sweep(tmp_path, SWEEP, ids, name="lr and width")
    zero, one, two = runs(tmp_path, 0, 1, 2)
    whole = Meaning((zero, one, two), paths)
    rest = Meaning((zero, two), paths, removed=(one,))
    for meanings in ([whole], [Meaning((each,)) for each in (zero, one, two)], [rest]):
        assert name_report(selected(*meanings), ["last"]) == (
            f"lr and width {SWEEP}", f"lr-and-width-{SWEEP}",
        )  # fmt: skip


def test_a_part_of_a_sweep_does_not_take_the_page_of_the_whole(tmp_path: Path) -> None:
    paths = record_sweep(tmp_path, SWEEP, [f"{SWEEP}-{n}" for n in range(20)], name="lr")
    (three,) = runs(tmp_path, 3)
    assert name_report(selected(Meaning((three,))), ["x"]) == (f"{SWEEP}-3", f"{SWEEP}-3")
    part = Meaning(runs(tmp_path, 1, *range(10, 20)), paths)
    assert name_report(selected(part), [f"{SWEEP}-1"]) == (f"{SWEEP}-1", f"{SWEEP}-1")


@pytest.mark.parametrize("name", ["a" * 300, "\u6a21\u578b", "../../x"])
def test_a_long_or_odd_name_leaves_the_id_whole(tmp_path: Path, name: str) -> None:
    paths = record_sweep(tmp_path, SWEEP, [f"{SWEEP}-0", f"{SWEEP}-1"], name=name)
    title, file_name = name_report(selected(Meaning(runs(tmp_path, 0, 1), paths)), ["x"])
    assert title == f"{name} {SWEEP}"
    assert file_name.endswith(SWEEP)
    assert len(file_name) < 100
    assert not {"/", "."} & {*file_name}


def test_very_many_names_are_cut_and_still_told_apart(tmp_path: Path) -> None:
    many = selected(*(Meaning((RunPaths(tmp_path, f"run-{n}"),)) for n in range(100)))
    names = [f"run-{n}" for n in range(100)]
    first, second = (name_report(many, texts)[1] for texts in (names, [*names, "more"]))
    assert first != second
    assert len(first) < 150
