"""Whether a rank's node is lost or only its supervisor was killed."""

from pathlib import Path

import pytest

from tmgg.experiment_utils.ranks import lost_node
from tmgg.experiment_utils.ray_cluster.slurm_facts import parse_slurmd_timeout


@pytest.mark.parametrize(
    ("body", "alive"), [("exit 0", True), ("exit 1", False), ("exec sleep 60", False)]
)
def test_a_node_that_starts_no_process_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, alive: bool
) -> None:
    srun = tmp_path / "srun"
    srun.write_text(f'#!/bin/sh\nenv > "{tmp_path}/env"\necho "$@" > "{tmp_path}/argv"\n{body}\n')
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "4")
    monkeypatch.setattr(lost_node, "PROBE_S", 1.0)

    assert lost_node.answers(job_id="7", node="node2") is alive

    argv = (tmp_path / "argv").read_text().split()
    assert {"--jobid=7", "--nodelist=node2", "--overlap", "--ntasks=1"} < set(argv)
    assert "SLURM_NTASKS_PER_NODE" not in (tmp_path / "env").read_text()


def test_without_srun_nobody_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert lost_node.answers(job_id="7", node="node2")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("SlurmctldTimeout = 120 sec\nSlurmdTimeout           = 60 sec\n", 60.0),
        ("SlurmdTimeout = 0 sec", 0.0),
        ("", 300.0),
    ],
)
def test_how_long_slurm_takes_to_notice(text: str, seconds: float) -> None:
    assert parse_slurmd_timeout(text) == seconds
