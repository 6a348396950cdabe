"""A cluster of our own, started for real: what it offers, what it survives, what it leaves."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slurm_cluster import Cluster, ClusterError, ClusterOptions
from slurm_cluster.processes import wait_until

pytestmark = pytest.mark.slurm

_HOST_FILES = ("hosts", "hostname", "passwd", "group", "shadow", "slurm", "munge", "resolv.conf")
_SLURM_PORTS = {6817, 6818, 6819}


def _host_state(cluster_folder: Path) -> dict[str, object]:
    """What a cluster must leave as it is, whatever other clusters do meanwhile."""
    links = json.loads(subprocess.check_output(["ip", "-json", "link"], text=True, timeout=10))
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        "links": [link["ifname"] for link in links],
        "files": {
            str(path): path.read_bytes()
            for name in _HOST_FILES
            for path in (Path("/etc") / name, *(Path("/etc") / name).rglob("*"))
            if path.is_file()
        },
        "root": sorted(Path("/").iterdir()),
        "ports": _SLURM_PORTS & {int(address.split(":")[1], 16) for address in listening},
        "mounts": [
            line
            for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if str(cluster_folder) in line
        ],
        "processes": _processes_of(cluster_folder),
    }


def _processes_of(folder: Path) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in words:
                found.append(int(process.name))
    return found


@pytest.fixture(scope="module")
def own(can_run_slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster") / "state"
    before = _host_state(folder)
    options = ClusterOptions(
        name=f"own{os.getpid()}", nodes=3, cpus=2, gpus=2, slurmd_timeout_s=20, state_dir=folder
    )
    cluster = Cluster(options)
    cluster.up()
    try:
        yield cluster
    finally:
        machines = [cluster.machine(name).pid for name in cluster.status().machines]
        cluster.down(purge=True)
    assert not folder.exists()
    assert not [pid for pid in machines if Path(f"/proc/{pid}").exists()]
    assert _host_state(folder) == before


def _submit(cluster: Cluster, *words: str, user: str = "alice") -> str:
    argv = ["sbatch", "--parsable", "--output=out.txt", *words]
    return cluster.run(argv, user=user, check=True).stdout.strip()


def _state(cluster: Cluster, job: str) -> str:
    argv = ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T"]
    return cluster.run(argv, check=True).stdout.strip()


def _wait_for_state(cluster: Cluster, job: str, state: str, *, timeout_s: float = 60) -> None:
    wait_until(
        lambda: _state(cluster, job) == state,
        timeout_s=timeout_s,
        what=f"job {job} to be {state}, it is {_state(cluster, job)}",
    )


def _wait_for_text(path: Path, text: str) -> None:
    wait_until(
        lambda: path.exists() and path.read_text() == text,
        timeout_s=60,
        what=f"{path.name} to be {text!r}",
    )


def test_one_step_runs_on_all_nodes(own: Cluster) -> None:
    result = own.run(["srun", "-N3", "hostname"], check=True)
    assert sorted(result.stdout.split()) == ["node1", "node2", "node3"]


def test_a_batch_job_of_a_user_writes_into_the_shared_home(own: Cluster) -> None:
    job = _submit(own, "-N2", "--wrap", "id -un; srun hostname")
    _wait_for_state(own, job, "COMPLETED")
    output = own.home("alice") / "out.txt"
    assert sorted(output.read_text().split()) == ["alice", "node1", "node2"]
    assert output.stat().st_uid == 5001
    accounted = ["sacct", "-nXP", f"--jobs={job}", "--format=state,account"]
    wait_until(
        lambda: own.run(accounted).stdout.strip() == "COMPLETED|research",
        timeout_s=60,
        what="the job's record in the accounting database",
    )


def test_fake_gpus_are_shared_out(own: Cluster) -> None:
    show = ["printenv", "CUDA_VISIBLE_DEVICES"]
    one_each = ["srun", "-w", "node1", "-n2", "--gpus-per-task=1", *show]
    assert sorted(own.run(one_each, check=True).stdout.split()) == ["0", "1"]
    both = ["srun", "-w", "node1", "-n1", "--gpus=2", *show]
    assert own.run(both, check=True).stdout == "0,1\n"


def test_machines_share_folders_but_no_processes_ports_or_tmp(own: Cluster) -> None:
    own.run(["touch", "/tmp/mine", "/dev/shm/mine"], user="root", machine="node1", check=True)
    seen = own.run(["ls", "/tmp", "/dev/shm"], user="root", machine="node2", check=True)
    assert "mine" not in seen.stdout
    assert not Path("/tmp/mine").exists()
    own.run(["touch", "/shared/scratch/ours"], machine="node1", check=True)
    assert (own.shared / "scratch/ours").exists()
    commands = own.run(["ps", "-eo", "comm"], user="root", machine="login", check=True).stdout
    assert "slurmctld" not in commands
    names = own.run(["hostname"], machine="node2", check=True).stdout.strip()
    assert names == "node2"


def test_users_see_neither_each_others_processes_nor_homes(own: Cluster) -> None:
    with own.popen(["sleep", "31.25"], user="bob") as sleeper:
        wait_until(lambda: sleeper.inner_pid is not None, timeout_s=30, what="sleep to begin")
        show = ["ps", "-eo", "args"]
        assert "31.25" not in own.run(show, user="alice", check=True).stdout
        assert "31.25" in own.run(show, user="bob", check=True).stdout
        sleeper.kill()
    assert own.run(["ls", "/shared/home/bob"], user="alice").returncode != 0


def test_up_again_changes_nothing_and_is_fast(own: Cluster) -> None:
    before = {name: own.machine(name).pid for name in own.status().machines}
    conf = own.state_dir / "etc/slurm/slurm.conf"
    written = conf.stat().st_mtime_ns
    began = time.monotonic()
    Cluster(own.options).up()
    assert time.monotonic() - began < 20
    assert {name: own.machine(name).pid for name in own.status().machines} == before
    assert conf.stat().st_mtime_ns == written


def test_up_with_another_size_is_refused_while_it_runs(own: Cluster) -> None:
    with pytest.raises(ClusterError, match=r"nodes 3 -> 4.*down"):
        Cluster(replace(own.options, nodes=4)).up()
    assert own.status().is_up


def test_exit_code_signal_and_timeout_reach_the_caller(own: Cluster) -> None:
    assert own.run(["sh", "-c", "exit 7"]).returncode == 7
    with own.popen(["sleep", "60"]) as process:
        wait_until(lambda: process.inner_pid is not None, timeout_s=30, what="sleep to begin")
        process.kill()
        assert process.wait(timeout=30) == -9
    with pytest.raises(subprocess.TimeoutExpired):
        own.run(["sleep", "61.5"], timeout_s=0.5)
    wait_until(
        lambda: "61.5" not in own.run(["ps", "-eo", "args"], user="root").stdout,
        timeout_s=30,
        what="the end of what timed out",
    )


def test_nothing_of_the_callers_environment_is_inherited(
    own: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    shown = own.run(["env"], env={"EXTRA": "1"}, check=True).stdout.splitlines()
    assert "EXTRA=1" in shown
    assert "HOME=/shared/home/alice" in shown
    assert not [line for line in shown if line.startswith("SLURM_")]


def test_a_node_without_power_comes_back_and_its_job_is_requeued(own: Cluster) -> None:
    job = _submit(own, "--nodelist=node2", "--requeue", "--wrap", "sleep 600")
    _wait_for_state(own, job, "RUNNING")
    # Slurm compares whole seconds: a job's node must not have rebooted in the one it answered in.
    time.sleep(1.1)
    own.power_off("node2")
    assert not own.status().machines["node2"]
    own.power_on("node2")
    assert own.status().is_up
    wait_until(
        lambda: (
            _state(own, job) in ("PENDING", "RUNNING")
            and "Restarts=1" in own.run(["scontrol", "show", "job", job]).stdout
        ),
        timeout_s=60,
        what="the requeued job",
    )
    own.run(["scancel", job], check=True)
    assert own.run(["srun", "-w", "node2", "hostname"], check=True).stdout == "node2\n"


@pytest.mark.long
def test_slurm_gives_a_silent_node_up(own: Cluster) -> None:
    own.power_off("node3", silent=True)
    try:
        wait_until(
            lambda: own.status().nodes[2].state == "down*",
            timeout_s=120,
            what="slurmctld to notice",
            interval_s=0.5,
        )
    finally:
        own.power_on("node3")
    assert own.status().is_up


def test_the_controller_can_be_away(own: Cluster) -> None:
    own.stop_daemon("slurmctld")
    try:
        assert not own.status().is_up
        assert own.run(["scontrol", "ping"]).returncode == 1
        assert own.run(["sacct"]).returncode == 0
    finally:
        own.start_daemon("slurmctld")
    assert own.run(["scontrol", "ping"]).returncode == 0


def test_a_paused_controller_answers_nothing_until_it_goes_on(own: Cluster) -> None:
    own.pause_daemon("slurmctld")
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            own.run(["squeue"], timeout_s=1)
    finally:
        own.resume_daemon("slurmctld")
    assert own.run(["squeue"]).returncode == 0


def test_a_node_without_network_goes_on_alone(own: Cluster) -> None:
    on_node = own.state_dir / "machines/node1/tmp"
    script = "echo 1; until [ -e /tmp/go ]; do sleep 0.1; done; echo 2"
    job = _submit(own, "--nodelist=node1", "--output=/tmp/alone.txt", "--wrap", script)
    _wait_for_text(on_node / "alone.txt", "1\n")
    own.unplug("node1")
    try:
        reach = "import socket; socket.create_connection(('node1', 6818), timeout=1)"
        assert own.run(["/usr/bin/python3", "-c", reach]).returncode != 0
        (on_node / "go").touch()
        _wait_for_text(on_node / "alone.txt", "1\n2\n")
    finally:
        own.plug("node1")
    _wait_for_state(own, job, "COMPLETED")


def test_the_accounting_daemon_can_be_away(own: Cluster) -> None:
    own.stop_daemon("slurmdbd")
    try:
        assert "Connection refused" in own.run(["sacct"]).stderr
    finally:
        own.start_daemon("slurmdbd")
    assert own.run(["sacct"]).returncode == 0


def test_a_setting_can_be_changed_and_taken_back(own: Cluster) -> None:
    own.reconfigure(MaxArraySize="11")
    refused = own.run(["sbatch", "--array=0-11", "--wrap", "true"])
    assert "Invalid job array specification" in refused.stderr
    own.reconfigure(MaxArraySize=None)
    job = _submit(own, "--array=0-11", "--wrap", "true")
    own.run(["scancel", job], check=True)


@pytest.mark.skipif(
    not Path("/sys/fs/cgroup/memory/cgroup.procs").exists(), reason="no cgroup v1 memory"
)
def test_memory_can_be_enforced(own: Cluster) -> None:
    grow = "/usr/bin/python3 -c 'x = bytearray(400_000_000)'"
    Cluster(replace(own.options, constrain_memory=True)).up()
    try:
        job = _submit(own, "--mem=100", "--wrap", grow)
        _wait_for_state(own, job, "OUT_OF_MEMORY")
    finally:
        Cluster(own.options).up()


def test_a_private_folder_of_the_host_can_be_exposed(own: Cluster, tmp_path: Path) -> None:
    private = Path(tempfile.mkdtemp(prefix=".tmgg-test-exposure-", dir="/root"))
    project = private / "project"
    project.mkdir()
    try:
        (project / "file").write_text("seen")
        (tmp_path / "file").write_text("seen in tmp")
        tmp_path.chmod(0o755)
        own.expose(project, tmp_path)
        for path, words in ((project / "file", "seen"), (tmp_path / "file", "seen in tmp")):
            assert own.run(["srun", "-w", "node1", "cat", str(path)], check=True).stdout == words
        assert own.run(["touch", str(project / "new")], user="root").returncode != 0
        assert not (project / "new").exists()
    finally:
        shutil.rmtree(private)


def test_two_clusters_run_side_by_side_one_without_accounting(own: Cluster, tmp_path: Path) -> None:
    options = ClusterOptions(
        name="beside", nodes=1, gpus=0, accounting=False, state_dir=tmp_path / "state"
    )
    beside = Cluster(options)
    try:
        beside.up()
        assert beside.run(["srun", "hostname"], check=True).stdout == "node1\n"
        assert "accounting storage is disabled" in beside.run(["sacct"]).stderr
        job = beside.run(["sbatch", "--parsable", "--wrap", "sleep 60"], check=True).stdout
        assert _state(beside, job.strip()) in ("PENDING", "RUNNING")
        assert own.run(["srun", "-N3", "true"]).returncode == 0
    finally:
        beside.down(purge=True)
    assert own.status().is_up


def test_strangers_files_are_never_taken_for_a_cluster(can_run_slurm: None, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    stranger = Cluster(ClusterOptions(name="stranger", state_dir=tmp_path))
    with pytest.raises(ClusterError, match="somebody else"):
        stranger.up()
    stranger.down(purge=True)
    assert (tmp_path / "thesis.tex").exists()
