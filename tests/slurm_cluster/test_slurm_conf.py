"""Slurm's configuration, compared whole with the files in goldens/."""

from pathlib import Path

import pytest

from slurm_cluster import ClusterOptions
from slurm_cluster.addresses import render_hosts
from slurm_cluster.slurm_conf import (
    render_cgroup_conf,
    render_gres_conf,
    render_job_container_conf,
    render_slurm_conf,
    render_slurmdbd_conf,
)

_GOLDENS = Path(__file__).parent / "goldens"
_TRACKING = "proctrack/cgroup"


def _lines(options: ClusterOptions) -> list[str]:
    return render_slurm_conf(options, process_tracking=_TRACKING).splitlines()


@pytest.mark.parametrize(
    ("golden", "options"),
    [
        ("default.conf", ClusterOptions()),
        (
            "bare.conf",
            ClusterOptions(
                nodes=1,
                cpus=2,
                memory_mb=6000,
                gpus=0,
                accounting=False,
                constrain_memory=True,
                max_array_size=3001,
                min_job_age_s=2,
                slurmd_timeout_s=10,
                settings={"killwait": "30", "MailProg": "", "Epilog": "/bin/true"},
            ),
        ),
    ],
)
def test_slurm_conf_is_as_reviewed(golden: str, options: ClusterOptions) -> None:
    assert render_slurm_conf(options, process_tracking=_TRACKING) == (_GOLDENS / golden).read_text()


def test_a_setting_replaces_our_line_whatever_its_case() -> None:
    lines = _lines(ClusterOptions(settings={"SCHEDULERTYPE": "sched/builtin"}))
    assert [line for line in lines if line.lower().startswith("schedulertype=")] == [
        "SCHEDULERTYPE=sched/builtin"
    ]


def test_an_empty_setting_removes_our_line() -> None:
    lines = _lines(ClusterOptions(settings={"EnforcePartLimits": ""}))
    assert not [line for line in lines if line.startswith("EnforcePartLimits")]


def test_nodes_and_addresses_agree_beyond_nine_nodes() -> None:
    options = ClusterOptions(nodes=12)
    assert "10.99.0.22 node12" in render_hosts(options).splitlines()
    (line,) = [line for line in _lines(options) if line.startswith("NodeName=")]
    assert line.startswith("NodeName=node[1-12] NodeAddr=10.99.0.[11-22] ")


def test_every_fake_gpu_is_in_gres_conf() -> None:
    assert render_gres_conf(ClusterOptions(nodes=2, gpus=3)) == (
        "NodeName=node[1-2] Name=gpu File=/run/fake-gpus/gpu[0-2]\n"
    )
    assert render_gres_conf(ClusterOptions(gpus=0)) == ""


def test_jobs_have_a_tmp_of_their_own_only_when_asked_for() -> None:
    shared, private = ClusterOptions(), ClusterOptions(private_tmp=True)
    assert not [line for line in _lines(shared) if line.startswith("JobContainerType")]
    assert render_job_container_conf(shared) == ""
    assert {"JobContainerType=job_container/tmpfs", "PrologFlags=Contain"} <= set(_lines(private))
    assert "AutoBasePath=true" in render_job_container_conf(private)


def test_memory_is_constrained_only_when_asked_for() -> None:
    free, constrained = ClusterOptions(), ClusterOptions(constrain_memory=True)
    assert "ConstrainRAMSpace=no" in render_cgroup_conf(free, slurm_version=(22, 5))
    assert "ConstrainRAMSpace=yes" in render_cgroup_conf(constrained, slurm_version=(22, 5))


def test_no_line_is_written_that_the_release_no_longer_knows() -> None:
    old = render_cgroup_conf(ClusterOptions(), slurm_version=(22, 5))
    new = render_cgroup_conf(ClusterOptions(), slurm_version=(24, 11))
    assert "CgroupAutomount=no" in old
    assert "CgroupAutomount" not in new


def test_slurmdbd_conf_holds_no_password() -> None:
    assert "StoragePass" not in render_slurmdbd_conf(ClusterOptions())


def test_all_daemons_of_a_cluster_with_ipv6_only_speak_that() -> None:
    line = "CommunicationParameters=EnableIPv6,DisableIPv4\n"
    for ipv6 in (True, False):
        options = ClusterOptions(ipv6=ipv6)
        assert (line in render_slurmdbd_conf(options)) is ipv6
        assert (line in render_slurm_conf(options, process_tracking="proctrack/linuxproc")) is ipv6
