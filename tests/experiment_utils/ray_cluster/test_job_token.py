"""A node reads its job's token also if it has looked for the run before the run had a folder."""

from pathlib import Path

import pytest

from tests.fakes.network_folder import Clients, clients
from tmgg.experiment_utils.ray_cluster.job_token import (
    PATIENCE_S,
    TokenUnreadableError,
    read_job_token,
)
from tmgg.experiment_utils.run_folder.paths import JobFilesIn

__all__ = ["clients"]


class Sleeps:
    """Counts the seconds in place of sleeping."""

    def __init__(self) -> None:
        self.total_s = 0.0

    def __call__(self, seconds: float) -> None:
        self.total_s += seconds


def test_a_node_that_knew_the_folder_as_missing_reads_the_token(clients: Clients) -> None:
    there, here = (JobFilesIn(client / "out" / "run" / "1") for client in (clients.a, clients.b))
    assert not (clients.b / "out").exists()
    (clients.a / "out").mkdir()
    assert not (clients.b / "out" / "run").exists()
    there.folder.mkdir(parents=True)
    there.ray_token.write_text("secret\n")
    assert not here.ray_token.exists()
    sleeps = Sleeps()

    assert read_job_token(here, sleep=sleeps) == b"secret"

    assert sleeps.total_s == 0.0


def test_a_token_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    files = JobFilesIn(tmp_path)

    def come(_seconds: float) -> None:
        files.ray_token.write_text("secret\n")

    assert read_job_token(files, sleep=come) == b"secret"


def test_a_folder_that_this_node_does_not_have_is_named(tmp_path: Path) -> None:
    files = JobFilesIn(tmp_path / "run" / "1")
    sleeps = Sleeps()

    with pytest.raises(TokenUnreadableError) as error:
        read_job_token(files, sleep=sleeps)

    assert f"cannot read {files.ray_token}: No such file or directory" in str(error.value)
    assert sleeps.total_s == PATIENCE_S
