"""Which address the other nodes get: asked of Slurm, where Slurm answers."""

from pathlib import Path

import pytest

from tmgg.experiment_utils.job.job_exit_codes import NO_HEAD_OR_FOLDER
from tmgg.experiment_utils.ray_cluster import addresses, head_address


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, but for the system's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    return folder


def answer(bin_folder: Path, text: str) -> None:
    (bin_folder / "scontrol").write_text(f"#!/bin/sh\n{text}\n")
    (bin_folder / "scontrol").chmod(0o755)


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the way to is looked up; it always leads over 10.0.0.1."""
    found: list[str] = []

    def towards(target: str) -> str:
        found.append(target)
        return "10.0.0.1"

    monkeypatch.setattr(addresses, "address_towards", towards)
    return found


def test_the_second_nodes_address_is_slurms(bin_folder: Path, asked_for: list[str]) -> None:
    answer(bin_folder, "echo NodeName=node2 NodeAddr=10.0.0.2 NodeHostName=node2")
    assert head_address.head_address(["node1", "node2"]) == "10.0.0.1"
    assert asked_for == ["10.0.0.2"]


def test_where_the_controller_does_not_answer_in_time_the_nodes_name_does(
    bin_folder: Path, asked_for: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(bin_folder, "exec sleep 60")
    monkeypatch.setattr(head_address, "QUERY_TIMEOUT_S", 0.1)
    assert head_address.head_address(["node1", "node2"]) == "10.0.0.1"
    assert asked_for == ["node2"]


@pytest.mark.parametrize("text", ["echo slurm_load_node error >&2; exit 1", "echo NodeName=node2"])
def test_where_slurm_says_no_address_the_nodes_name_does(
    bin_folder: Path, asked_for: list[str], text: str
) -> None:
    answer(bin_folder, text)
    head_address.head_address(["node1", "node2"])
    assert asked_for == ["node2"]


def test_where_there_is_no_scontrol_the_nodes_name_does(
    asked_for: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    head_address.head_address(["node1", "node2"])
    assert asked_for == ["node2"]


def test_an_address_that_others_cannot_use_ends_the_job_with_the_reason(
    bin_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(bin_folder, "echo NodeName=node2 NodeAddr=127.0.0.1")
    assert head_address.main(["node1", "node2"]) == NO_HEAD_OR_FOLDER
    said = capsys.readouterr().err
    assert "127.0.0.1 is reached from 127.0.0.1; other nodes cannot use that" in said
