from pathlib import Path

import pytest

from tmgg.experiment_utils.ray_cluster import scratch_name
from tmgg.experiment_utils.ray_cluster.scratch_name import (
    LONGEST_OF_RAY,
    LONGEST_SCRATCH,
    LONGEST_SOCKET,
    ScratchNameError,
    check_name,
    folder_of_start,
)

JOB = {"SLURM_JOB_ID": "67108863"}  # MaxJobId is 67,108,863 unless clusters are federated


@pytest.mark.parametrize(
    "name",
    ["/tmp", "/localscratch", "/scratch/local", "/local/nvme/$SLURM_JOB_ID", "/nvme/job_$USER.$A"],
)
def test_what_sites_have_is_accepted(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["tmp", "/", "/a b", "/a;b", "/a/../b", "/a/.", "/${A}", "/$", "/$1", "/a'b", "/a\n", "/é", 7],
)
def test_what_is_no_plain_path_is_refused(name: object) -> None:
    with pytest.raises(ScratchNameError, match="must be an absolute path"):
        check_name(name)


def test_the_longest_job_id_of_one_cluster_fits_where_sites_name_the_folder_by_it() -> None:
    folder = folder_of_start("/local/nvme/$SLURM_JOB_ID", JOB, secret=b"s")
    assert folder.parent == Path("/local/nvme/67108863")
    assert len(f"{folder}{LONGEST_OF_RAY}") <= LONGEST_SOCKET


def test_the_longest_name_makes_the_longest_socket() -> None:
    name = "/" + "x" * (LONGEST_SCRATCH - 1)
    check_name(name)
    socket = f"{folder_of_start(name, JOB, secret=b's')}{LONGEST_OF_RAY}"
    assert len(socket) == LONGEST_SOCKET
    for longer in (name + "xx", "/" + "x" * (LONGEST_SCRATCH + 1) + "$A"):
        with pytest.raises(
            ScratchNameError, match=r"22 bytes( beside.*)?, 2 too many.*20 are left"
        ):
            check_name(longer)


def test_a_variable_that_makes_it_too_long_is_reported_with_its_value() -> None:
    with pytest.raises(ScratchNameError, match=r"'/x{40}' in this job, has 41 bytes, 21 too many"):
        folder_of_start("/$A", JOB | {"A": "x" * 40}, secret=b"s")


@pytest.mark.parametrize("value", ["a b", "../x", "$B", "'"])
def test_a_variable_brings_in_nothing_but_a_plain_name(value: str) -> None:
    with pytest.raises(ScratchNameError, match=r"\$A, which is .* in this job, must be"):
        folder_of_start("/tmp/$A", JOB | {"A": value}, secret=b"s")


@pytest.mark.parametrize("environment", [JOB, JOB | {"A": ""}])
def test_a_variable_that_the_job_lacks_is_reported(environment: dict[str, str]) -> None:
    with pytest.raises(ScratchNameError, match="the job has no variable A"):
        folder_of_start("/tmp/$A", environment, secret=b"s")


def test_its_name_differs_by_start_and_cannot_be_guessed_without_the_secret() -> None:
    names = {
        folder_of_start("/tmp", JOB | {"SLURM_RESTART_COUNT": count}, secret=secret)
        for count in ("0", "1")
        for secret in (b"one", b"two")
    }
    assert len(names) == 4
    first = folder_of_start("/tmp", JOB, secret=b"one")
    assert first in names  # no count is the first start
    assert first.name.startswith(scratch_name.PREFIX)
