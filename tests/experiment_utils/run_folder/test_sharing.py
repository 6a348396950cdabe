"""A member's records are her own, or the team's to read, as she chose when the run was made."""

import os
import stat
from pathlib import Path

import pytest

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.paths import RunPaths

CONFIG = {"experiment": {"_target_": "lab:work"}}


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lab.py").write_text("def work(config):\n    return 1\n")
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def run(outputs: Path) -> RunPaths:
    runner = LocalRunner(LocalConfig(output_dir=str(outputs)))
    runner.run_experiment(CONFIG, run_id="r")
    return RunPaths(outputs, "r")


def test_records_are_private_unless_she_shares_them(outputs: Path) -> None:
    outputs.chmod(0o3770)
    paths = run(outputs)
    assert mode(paths.folder) & 0o077 == 0
    for path in (paths.run, paths.submission(1).result, paths.submission(1).ended):
        assert mode(path) == 0o600


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_shared_records_are_read_by_the_group_but_for_what_may_be_secret(
    outputs: Path, monkeypatch: pytest.MonkeyPatch, umask: int
) -> None:
    outputs.chmod(0o3770)
    monkeypatch.setenv("TMGG_RECORDS", "team")
    before = os.umask(umask)
    try:
        paths = run(outputs)
    finally:
        os.umask(before)
    submission = paths.submission(1)
    assert mode(paths.folder) == mode(submission.folder) == 0o2750
    for path in (paths.run, submission.intent, submission.result, submission.ended):
        assert mode(path) == 0o640, path
    assert mode(paths.task) == 0o600
    assert not any(mode(path) & 0o022 for path in paths.folder.rglob("*"))


def test_a_folder_that_is_no_teams_is_refused(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMGG_RECORDS", "team")
    with pytest.raises(ConfigError, match="TMGG_RECORDS=team is not possible"):
        run(outputs)
    assert not list(outputs.iterdir())
    monkeypatch.setenv("TMGG_RECORDS", "all")
    with pytest.raises(ConfigError, match="private or team, not 'all'"):
        run(outputs)


def test_a_closed_folder_stays_closed_whatever_the_mode_above(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    folder.chmod(0o750)
    write_json(folder / "record.json", {})
    assert mode(folder / "record.json") == 0o600
