"""What a dependency of sbatch says, and what is left of it once jobs have ended."""

import pytest

from tmgg.errors import ConfigError, RefusedError
from tmgg.experiment_utils.cloud.slurm.request.dependency import (
    JobEnd,
    joined,
    needed_of,
    outcome_jobs,
    without_outcomes,
)

ENDS = {"1": JobEnd("COMPLETED"), "2": JobEnd("FAILED"), "3_4": JobEnd("COMPLETED")}


def test_two_dependencies_are_joined_so_that_both_must_be_met() -> None:
    assert joined(None, "afterany:7") == "afterany:7"
    assert joined("afterok:1:2,singleton", "afterany:7") == "afterok:1:2,singleton,afterany:7"
    with pytest.raises(ConfigError, match="does not mix"):
        joined("afterok:1?afterok:2", "afterany:7")


def test_only_jobs_whose_success_counts_are_asked_about() -> None:
    assert outcome_jobs("afterok:1:3_4,afterany:5,afternotok:1?singleton") == ["1", "3_4"]
    assert outcome_jobs("after:6+10,aftercorr:8") == []


@pytest.mark.parametrize(
    ("dependency", "left"),
    [
        ("afterok:1", None),
        ("afterok:1:9", "afterok:9"),
        ("afterok:3_4,singleton", "singleton"),
        ("afternotok:2,afterany:5", "afterany:5"),
        ("afterok:9", "afterok:9"),
        ("afterok:9?afterok:1", None),
        ("afterok:9?afterok:2", "afterok:9"),
        ("afterok:1:9?afterok:8", "afterok:1:9?afterok:8"),
    ],
)
def test_what_is_met_is_left_out(dependency: str, left: str | None) -> None:
    assert needed_of(dependency, ENDS) == left


@pytest.mark.parametrize(
    "dependency", ["afterok:9,afterok:2", "afternotok:1", "afterok:2?afternotok:1"]
)
def test_what_can_never_be_met_is_refused_with_the_job(dependency: str) -> None:
    with pytest.raises(RefusedError, match=r"can never be met: job \d ended \w+, so nothing"):
        needed_of(dependency, ENDS)


@pytest.mark.parametrize(
    ("dependency", "left"),
    [
        ("afterok:1,afternotok:2", None),
        ("afterok:1,singleton,after:4", "singleton,after:4"),
        ("afterok:1?afterany:2", None),
        ("afterok:1?singleton", "afterok:1?singleton"),
    ],
)
def test_a_job_that_began_proves_what_lasts(dependency: str, left: str | None) -> None:
    assert without_outcomes(dependency) == left
