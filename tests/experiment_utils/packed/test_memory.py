"""Where the kernel counts its kills for memory; pasted from Linux 5.10 (v1) and 6.1 (v2)."""

from pathlib import Path

import pytest

from tmgg.experiment_utils.packed.memory import count_oom_kills, event_files

VERSION_1 = (
    "12:memory:/slurm/uid_1000/job_7/step_0\n11:cpu,cpuacct:/\n1:name=systemd:/system.slice\n"
)
VERSION_2 = "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n"


def test_each_version_has_its_file() -> None:
    assert event_files(VERSION_1) == ["memory/slurm/uid_1000/job_7/step_0/memory.oom_control"]
    assert event_files(VERSION_2) == [
        "system.slice/slurmstepd.scope/job_7/step_0/user/task_0/memory.events"
    ]


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (VERSION_1, "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
        (VERSION_2, "low 0\nhigh 0\nmax 35\noom 1\noom_kill 2\noom_group_kill 0\n"),
    ],
)
def test_kills_are_counted(tmp_path: Path, groups: str, text: str) -> None:
    own = tmp_path / "cgroup"
    own.write_text(groups)
    file = tmp_path / "fs" / event_files(groups)[0]
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert count_oom_kills(root=tmp_path / "fs", own=own) == 2


def test_where_nothing_is_told_nothing_was_killed(tmp_path: Path) -> None:
    assert count_oom_kills(root=tmp_path, own=tmp_path / "absent") == 0
    own = tmp_path / "cgroup"
    own.write_text(VERSION_2)
    assert count_oom_kills(root=tmp_path, own=own) == 0
