"""The record of what a run used, and the sum over its ranks."""

from pathlib import Path
from typing import Any

import pytest

from tmgg.errors import RecordError
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.submission_files import SubmissionFiles
from tmgg.experiment_utils.sampling.reading import find_use, read_use
from tmgg.experiment_utils.sampling.used import HostUse, RunUse, add_up

GB = 1 << 30
GPU = {"index": "0", "uuid": "GPU-1", "busy_mean_percent": 40.0, "memory_peak_bytes": 5}


def part(host: str, **changed: Any) -> HostUse:
    values: dict[str, Any] = {
        "host": host,
        "restart": 0,
        "began_at": 1.0,
        "seconds": 10.0,
        "samples": 3,
        "cpu_seconds": 5.0,
        "cpu_cores_peak": 1.0,
        "memory_mean_bytes": GB,
        "memory_peak_bytes": 2 * GB,
        "cpus_allotted": 4,
        "memory_allotted_bytes": 8 * GB,
    }
    return HostUse(**values | changed)


def test_ranks_are_summed_and_memory_is_that_of_the_fullest_node() -> None:
    parts = [part("a"), part("a", memory_peak_bytes=3 * GB), part("b", cpu_seconds=15.0)]
    use = add_up(parts)
    assert use.hosts == ["a", "b"]
    assert (use.cpu_seconds, use.cpu_cores_mean, use.cpu_cores_peak) == (25.0, 2.5, 3.0)
    assert (use.memory_peak_bytes, use.memory_allotted_bytes) == (5 * GB, 8 * GB)
    assert use.cpus_allotted == 8


def test_a_gpu_that_several_ranks_see_counts_once() -> None:
    other = {**GPU, "uuid": "GPU-2", "busy_mean_percent": 0.0, "memory_peak_bytes": 9}
    use = add_up([part("a", gpus=[GPU, other]), part("a", gpus=[GPU, other])])
    assert len(use.gpus) == 2
    assert (use.gpu_busy_mean_percent, use.gpu_memory_peak_bytes) == (20.0, 9)
    assert RunUse.from_json(use.to_json()) == use


@pytest.mark.parametrize(
    "damage",
    [
        {"seconds": float("nan")},
        {"cpu_seconds": -1.0},
        {"memory_peak_bytes": "much"},
        {"gpus": [{"index": 1}]},
        {"version": 2},
    ],
)
def test_a_record_that_cannot_be_is_an_error(damage: dict[str, Any]) -> None:
    value = part("a").to_json() | damage
    with pytest.raises(RecordError):
        HostUse.from_json(value, what="usage.json")


@pytest.fixture
def paths(tmp_path: Path) -> SubmissionPaths:
    paths = RunPaths(tmp_path, "run").submission(1)
    paths.folder.mkdir(parents=True, mode=0o700)
    write_json(paths.intent, {"version": 1, "token": "t", "evidence_has_token": True})
    return paths


def test_the_record_of_this_submission_counts(paths: SubmissionPaths) -> None:
    assert read_use(SubmissionFiles(paths)) is None
    write_json(paths.usage, part("a", token="t").to_json())
    assert read_use(SubmissionFiles(paths)) == add_up([part("a", token="t")])


def test_anothers_or_a_damaged_record_is_as_none(paths: SubmissionPaths) -> None:
    write_json(paths.usage, part("a", token="of another run").to_json())
    assert find_use(SubmissionFiles(paths)) is None
    paths.usage.write_text("{")
    assert find_use(SubmissionFiles(paths)) is None


def test_one_that_others_could_write_is_as_none(paths: SubmissionPaths) -> None:
    write_json(paths.usage, part("a", token="t").to_json())
    paths.usage.chmod(0o666)
    paths.folder.chmod(0o777)
    assert find_use(SubmissionFiles(paths)) is None


def test_those_of_ranks_are_added_up(paths: SubmissionPaths) -> None:
    for rank in (0, 1, 10):
        folder = paths.ranks / str(rank)
        folder.mkdir(parents=True, mode=0o700)
        write_json(folder / "usage.json", part(f"host{rank}", token="t").to_json())
    use = read_use(SubmissionFiles(paths))
    assert use is not None
    assert use.hosts == ["host0", "host1", "host10"]
