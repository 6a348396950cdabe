"""Where the kernel counts its kills for memory; pasted from Linux 5.10 (v1) and 6.1 (v2)."""

from pathlib import Path

import pytest

from tmgg.experiment_utils.supervisor.memory import count_oom_kills, event_files

VERSION_1 = (
    "12:memory:/slurm/uid_1000/job_7/step_0\n11:cpu,cpuacct:/\n1:name=systemd:/system.slice\n0::/\n"
)
MOUNTS_1 = (
    "33 24 0:29 / /sys/fs/cgroup/cpu rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
    "36 24 0:32 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
    "24 23 0:23 / / rw,relatime shared:1 - ext4 /dev/root rw,errors=remount-ro\n"
)
VERSION_2 = "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n"
MOUNTS_2 = "36 24 0:32 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
# A machine that sees its own part of the host's hierarchy as the whole.
IN_A_MACHINE = "12:memory:/lab/node1/slurm/uid_1000/job_7/step_0\n"
MOUNTS_IN_A_MACHINE = "36 24 0:32 /lab/node1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


@pytest.mark.parametrize(
    ("groups", "mounts", "file"),
    [
        (VERSION_1, MOUNTS_1, "memory/slurm/uid_1000/job_7/step_0/memory.oom_control"),
        (
            VERSION_2,
            MOUNTS_2,
            "system.slice/slurmstepd.scope/job_7/step_0/user/task_0/memory.events",
        ),
        (
            IN_A_MACHINE,
            MOUNTS_IN_A_MACHINE,
            "memory/slurm/uid_1000/job_7/step_0/memory.oom_control",
        ),
    ],
)
def test_each_version_has_its_file(groups: str, mounts: str, file: str) -> None:
    assert event_files(groups, mounts) == [Path("/sys/fs/cgroup") / file]


@pytest.mark.parametrize(
    ("groups", "mounts", "text"),
    [
        (VERSION_1, MOUNTS_1, "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
        (VERSION_2, MOUNTS_2, "low 0\nmax 35\noom 1\noom_kill 2\noom_group_kill 0\n"),
    ],
)
def test_kills_are_counted(tmp_path: Path, groups: str, mounts: str, text: str) -> None:
    mounts = mounts.replace("/sys/fs/cgroup", str(tmp_path))
    (tmp_path / "cgroup").write_text(groups)
    (tmp_path / "mountinfo").write_text(mounts)
    (file,) = event_files(groups, mounts)
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert count_oom_kills(tmp_path) == 2


def test_where_nothing_is_reported_nothing_was_killed(tmp_path: Path) -> None:
    assert count_oom_kills(tmp_path / "absent") == 0
    (tmp_path / "cgroup").write_text(VERSION_2)
    (tmp_path / "mountinfo").write_text(MOUNTS_2)
    assert count_oom_kills(tmp_path) == 0
