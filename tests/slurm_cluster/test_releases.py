"""Debian roots with other Slurm releases: who is who in them, and that a failure says why."""

from pathlib import Path

import pytest

from slurm_cluster import ClusterError
from slurm_cluster.releases import HOST, RELEASES, root_of, slurm_version, system_user

PASSWD = """root:x:0:0:root:/root:/bin/bash
mysql:x:100:101:MariaDB Server:/nonexistent:/bin/false
munge:x:101:102::/nonexistent:/usr/sbin/nologin
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(
        "Package: slurmctld\nStatus: install ok installed\nArchitecture: amd64\n"
        "Version: 24.11.5-4\nMaintainer: x\nDescription: x\n"
    )
    return tmp_path


def test_each_release_has_a_root_of_its_own_and_none_is_the_hosts() -> None:
    roots = [root_of(release) for release in RELEASES]
    assert len(set(roots)) == len(RELEASES)
    assert root_of(None) == HOST == Path("/")


def test_system_users_have_the_numbers_of_the_root(root: Path) -> None:
    assert system_user(root, "munge") == (101, 102)


def test_a_system_user_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(ClusterError, match="no user slurm"):
        system_user(root, "slurm")


def test_slurms_release_is_that_of_the_root(root: Path) -> None:
    assert slurm_version(root) == (24, 11)


def test_a_root_without_slurm_is_named(root: Path) -> None:
    (root / "var/lib/dpkg/status").write_text("")
    with pytest.raises(ClusterError, match=str(root)):
        slurm_version(root)
