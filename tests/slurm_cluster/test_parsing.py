"""What the cluster reads from the kernel and from Slurm."""

from slurm_cluster.exposure import parse_mount_points
from slurm_cluster.processes import ProcessStat, parse_stat
from slurm_cluster.status import (
    ClusterStatus,
    NodeStatus,
    parse_nodes,
    parse_slurmd_starts,
    render_status,
)
from slurm_cluster.users import PEOPLE, render_group, render_passwd, render_shadow


def test_a_process_name_may_hold_blanks_and_brackets() -> None:
    numbers = " ".join(str(column) for column in range(4, 53))
    assert parse_stat(f"4711 (a) b (c) S {numbers}") == ProcessStat("a) b (c", "S", 22)


def test_mount_points_are_unescaped() -> None:
    line = "36 35 98:0 / /root/two\\040words rw,noatime shared:1 - tmpfs tmgg-cover rw\n"
    assert parse_mount_points(line) == {"/root/two words": "tmgg-cover"}


def test_a_node_in_several_partitions_is_one_node() -> None:
    sinfo = "node1|idle|none\nnode1|idle|none\nnode2|down*|Not responding\n"
    assert parse_nodes(sinfo) == (
        NodeStatus("node1", "idle", ""),
        NodeStatus("node2", "down*", "Not responding"),
    )


def test_only_an_answering_node_is_put_aside() -> None:
    assert NodeStatus("node1", "drained", "tests").is_put_aside
    assert not NodeStatus("node1", "down*", "Not responding").is_put_aside
    assert not NodeStatus("node1", "idle", "").is_put_aside


def test_a_node_that_never_registered_has_no_start() -> None:
    shown = (
        "NodeName=node1 OS=Linux 6.1 #1 SMP State=IDLE SlurmdStartTime=1795474125 Comment=a=b\n"
        "NodeName=node2 State=UNKNOWN SlurmdStartTime=None\n"
    )
    assert parse_slurmd_starts(shown) == {"node1": 1795474125}


def _status(**changes: object) -> ClusterStatus:
    values: dict[str, object] = {
        "name": "x",
        "state_dir": "/s",
        "machines": {"ctl": True},
        "daemons": {"slurmctld on ctl": True},
        "nodes": (NodeStatus("node1", "mixed", ""),),
    }
    return ClusterStatus(**{**values, **changes})  # type: ignore[arg-type]


def test_a_cluster_is_up_only_when_everything_is() -> None:
    assert _status().is_up
    assert not _status(machines={"ctl": False}).is_up
    assert not _status(daemons={"slurmctld on ctl": False}).is_up
    assert not _status(nodes=(NodeStatus("node1", "down", "x"),)).is_up
    assert not _status(nodes=()).is_up


def test_people_read_what_is_off_and_why() -> None:
    status = _status(
        daemons={"slurmctld on ctl": False}, nodes=(NodeStatus("node1", "down*", "gone"),)
    )
    assert render_status(status).splitlines() == [
        "cluster x: INCOMPLETE",
        "  machine ctl: runs",
        "  daemon slurmctld on ctl: OFF",
        "  node node1: down* (gone)",
        "  files: /s (shared folder: /s/shared)",
    ]
    assert render_status(_status(machines={"ctl": False})) == "cluster x: down (/s)"


def test_our_users_replace_whoever_has_their_name_or_number() -> None:
    passwd = render_passwd("root:x:0:0::/root:/bin/sh\nalice:x:7:7::/:\nzoe:x:5002:9::/:\n")
    assert passwd.splitlines() == [
        "root:x:0:0::/root:/bin/sh",
        "alice:x:5001:5001::/shared/home/alice:/bin/bash",
        "bob:x:5002:5002::/shared/home/bob:/bin/bash",
    ]
    assert render_group("root:x:0:\nstaff:x:5001:zoe\n").splitlines() == [
        "root:x:0:",
        "alice:x:5001:",
        "bob:x:5002:",
    ]


def test_our_users_cannot_log_in_by_password() -> None:
    shadow = render_shadow("root:*:1::::::\nbob:hash:1::::::\n")
    ours = [line.split(":")[:2] for line in shadow.splitlines()[1:]]
    assert ours == [[person.name, "!"] for person in PEOPLE]
