"""Runs that ended are listed without reading them again, and never otherwise than they are."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.jobs.conftest import BAD, DIVERGING, GOOD, Jobs
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs_on_record import known_run
from tmgg.experiment_utils.run_folder.paths import RunPaths


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose records were read."""
    seen: list[str] = []

    def counted(paths: RunPaths) -> object:
        seen.append(paths.run_id)
        return original(paths)

    original = known_run.read_known_run
    monkeypatch.setattr("tmgg.cli.listing.read_known_run", counted)
    return seen


def cache_file(here: Path) -> Path:
    (found,) = Path(os.environ["TMGG_HOME"]).glob("list/*.json")
    return found


def look(tmgg_jobs: Jobs) -> list[object]:
    return list(tmgg_jobs("list", "--all", "--json").json["runs"])


def test_a_second_look_reads_no_record_and_says_the_same(
    here: Path, tmgg_jobs: Jobs, read: list[str]
) -> None:
    first = look(tmgg_jobs)
    assert sorted(read) == sorted([GOOD, BAD, DIVERGING])
    read.clear()
    assert look(tmgg_jobs) == first
    assert read == []
    assert cache_file(here).stat().st_mode & 0o777 == 0o600


def test_what_ended_long_ago_is_counted_and_not_shown(here: Path, tmgg_jobs: Jobs) -> None:
    verdict = RunPaths(here / "local_outputs", BAD).submission(1).verdict
    at = time.time() - 2 * 86400
    os.utime(verdict, (at, at))
    for _look in range(2):
        listed = tmgg_jobs("list")
        assert BAD not in listed.out
        assert "1 of 3 runs not shown (--all)" in listed.err
    assert BAD in tmgg_jobs("list", "--all").out


def test_a_run_that_was_retried_is_read_again(here: Path, tmgg_jobs: Jobs, read: list[str]) -> None:
    look(tmgg_jobs)
    runner = LocalRunner()
    runner.retry(BAD)
    runner.get_result(BAD)
    read.clear()
    runs = tmgg_jobs("list", "--all", "--json").json["runs"]
    assert read == [BAD]
    assert {run["run_id"]: run["attempt"] for run in runs}[BAD] == 2


def test_a_verdict_that_was_removed_or_changed_is_reached_again(
    here: Path, tmgg_jobs: Jobs, read: list[str]
) -> None:
    look(tmgg_jobs)
    read.clear()
    RunPaths(here / "local_outputs", GOOD).submission(1).verdict.unlink()
    verdict = RunPaths(here / "local_outputs", BAD).submission(1).verdict
    verdict.write_text(verdict.read_text().replace('"attempt": 1', '"attempt": 7'))
    runs = {run["run_id"]: run for run in tmgg_jobs("list", "--all", "--json").json["runs"]}
    assert sorted(read) == sorted([BAD, GOOD])
    assert (runs[GOOD]["status"], runs[BAD]["attempt"]) == ("completed", 7)


def test_a_run_that_is_gone_is_forgotten(here: Path, tmgg_jobs: Jobs) -> None:
    look(tmgg_jobs)
    shutil.rmtree(here / "local_outputs" / GOOD)
    assert GOOD not in tmgg_jobs("list", "--all").out
    assert GOOD not in cache_file(here).read_text()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 1}', b"\xff", b"[" * 100_000, "entries", "state"]
)
def test_a_damaged_cache_costs_nothing_but_time(
    here: Path, tmgg_jobs: Jobs, content: bytes | str
) -> None:
    first = look(tmgg_jobs)
    file = cache_file(here)
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        value = json.loads(file.read_text())
        for entry in value["runs"].values():
            entry[slice(None) if content == "entries" else slice(3, 6)] = [None, "x"]
        file.write_text(json.dumps(value))
    assert look(tmgg_jobs) == first


@pytest.mark.parametrize("how", ["open to others", "another's", "a link"])
def test_a_cache_that_others_could_have_written_is_not_believed(
    here: Path, tmgg_jobs: Jobs, read: list[str], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = look(tmgg_jobs)
    file = cache_file(here)
    file.write_text(file.read_text().replace('"completed"', '"pending"'))
    if how == "open to others":
        file.chmod(0o620)
    elif how == "a link":
        file.rename(here / "planted")
        file.symlink_to(here / "planted")
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
    read.clear()
    assert look(tmgg_jobs) == first
    assert sorted(read) == sorted([GOOD, BAD, DIVERGING])


def test_a_list_of_one_sweep_does_not_forget_the_others(
    here: Path, tmgg_jobs: Jobs, read: list[str]
) -> None:
    look(tmgg_jobs)
    tmgg_jobs("list", "--sweep", "good")
    read.clear()
    look(tmgg_jobs)
    assert read == []
