"""Packages are installed beside what else installs on the machine."""

from pathlib import Path

import pytest

from slurm_cluster.errors import ClusterError
from slurm_cluster.packages import apt_get

LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 3000 (apt-get)"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The calls of an apt-get that finds the lock taken twice, and then does `REST`."""
    calls = tmp_path / "calls"
    fake = tmp_path / "apt-get"
    fake.write_text(
        "#!/bin/sh\n"
        f'echo "$*" >> {calls}\n'
        f'if [ $(wc -l < {calls}) -gt 2 ]; then eval "$REST"; fi\n'
        f"echo '{LOCKED}' >&2\nexit 100\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return calls


def test_a_lock_that_another_apt_holds_is_waited_for(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REST", "exit 0")
    apt_get("update", pause_s=0)
    assert calls.read_text().splitlines() == ["--quiet update"] * 3


def test_a_lock_that_is_never_given_back_ends_the_wait_with_apts_words(
    calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REST", "")
    with pytest.raises(ClusterError, match=r"apt-get update failed: .*held by process 3000"):
        apt_get("update", lock_wait_s=0, pause_s=0)
    assert len(calls.read_text().splitlines()) == 1


def test_any_other_failure_is_not_tried_again(calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REST", "echo 'E: Unable to locate package x' >&2; exit 100")
    with pytest.raises(ClusterError, match="Unable to locate package x"):
        apt_get("install", "x", pause_s=0)
    assert len(calls.read_text().splitlines()) == 3
