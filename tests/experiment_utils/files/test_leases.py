"""That a launcher lives is told by a file that it renews, on the file system's own clock."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.hiccup import Hiccup
from tmgg.experiment_utils.files import leases
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.files.leases import LEASE_S, RENEW_S
from tmgg.experiment_utils.run_folder.registry import new_intent


@pytest.fixture
def intent(tmp_path: Path) -> Path:
    path = tmp_path / "intent.json"
    write_json(path, new_intent().to_json())
    return path


def let_age(path: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))


def test_a_lease_is_over_when_it_was_not_renewed_for_so_long(intent: Path) -> None:
    let_age(intent, LEASE_S - 2)
    assert not leases.is_over(intent)
    let_age(intent, LEASE_S + 1)
    assert leases.is_over(intent)


def test_a_lease_outlasts_a_missed_renewal_and_what_a_client_may_show_late() -> None:
    oldest_attributes_s = 60  # acregmax, see nfs(5)
    assert 2 * RENEW_S + oldest_attributes_s <= LEASE_S


def test_a_launcher_that_is_busy_keeps_its_lease(
    intent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW_S", 0.02)
    monkeypatch.setattr(leases, "_renewer", leases._Renewer())
    with leases.held(intent):
        let_age(intent, 1000)
        deadline = time.monotonic() + 60
        while leases.is_over(intent):  # nothing but the thread renews it
            assert time.monotonic() < deadline
            sum(range(10_000))
    let_age(intent, 1000)
    assert leases.is_over(intent)


@pytest.mark.parametrize("ahead_s", [-86_400.0, 86_400.0])
def test_the_clock_of_the_machine_does_not_matter(
    intent: Path, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    server_time = time.time() + ahead_s
    monkeypatch.setattr(leases, "_offsets", {})
    monkeypatch.setattr(leases, "_time_of_new_file", lambda _folder: server_time)
    os.utime(intent, (server_time - LEASE_S + 2, server_time - LEASE_S + 2))
    assert not leases.is_over(intent)
    os.utime(intent, (server_time - LEASE_S - 1, server_time - LEASE_S - 1))
    assert leases.is_over(intent)


def test_the_clock_is_that_of_a_file_written_now_and_nothing_is_left(intent: Path) -> None:
    assert abs(leases._time_of_new_file(intent.parent) - time.time()) < 5
    assert list(intent.parent.iterdir()) == [intent]


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO])
def test_a_lease_that_cannot_be_read_is_not_over(
    intent: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_age(intent, 10 * LEASE_S)
    Hiccup(monkeypatch).begin(intent.parent, number)
    assert leases.age_s(intent) is None
    assert not leases.is_over(intent)


def test_a_process_of_another_pid_namespace_is_not_looked_for_here() -> None:
    here = new_intent()
    code = (
        "import json; from tmgg.experiment_utils.run_folder.registry import new_intent; "
        "print(json.dumps(new_intent().to_json()))"
    )
    entered = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    done = subprocess.run(entered, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        pytest.skip(f"no PID namespace can be made here: {done.stderr}")
    assert here.scope
    assert here.scope not in done.stdout
    assert here.host in done.stdout


def test_a_process_that_was_stopped_knows_which_leases_it_holds(intent: Path) -> None:
    with leases.held(intent):
        assert leases.is_held(intent)
    assert not leases.is_held(intent)
