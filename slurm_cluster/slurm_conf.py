"""Slurm's configuration files as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from slurm_cluster.addresses import (
    CONTROLLER,
    LOGIN,
    machine_addresses,
    node_address_range,
    node_range,
)
from slurm_cluster.options import ClusterOptions
from slurm_cluster.site import NodeGroup, Partition

CLUSTER_NAME = "tmgg"
FAKE_GPU_FOLDER = "/run/fake-gpus"
_PARTITION = "Nodes=ALL MaxTime=1-0 DefaultTime=30 DefMemPerCPU=500 State=UP"

_DEFAULTS = {
    "ClusterName": CLUSTER_NAME,
    "SlurmctldPort": "6817",
    "SlurmdPort": "6818",
    "SlurmUser": "slurm",
    "AuthType": "auth/munge",
    # A requeued job may start again after this many seconds; Slurm's 120 is too long for tests.
    "AuthInfo": "cred_expire=5",
    "StateSaveLocation": "/var/lib/slurm/slurmctld",
    "SlurmctldPidFile": "/run/slurm/slurmctld.pid",
    "SlurmctldLogFile": "/var/log/slurm/slurmctld.log",
    "SlurmctldDebug": "info",
    "SlurmdPidFile": "/run/slurm/slurmd.pid",
    "SlurmdSpoolDir": "/var/lib/slurm/slurmd",
    "SlurmdLogFile": "/var/log/slurm/slurmd.log",
    # Nodes may claim more CPUs and memory than the machine has.
    "SlurmdParameters": "config_overrides",
    # A node that rebooted is down until we resume it, and its jobs end as NODE_FAIL at once.
    # With 2 they would count as running until the controller asks the node about them again.
    "ReturnToService": "1",
    "TaskPlugin": "task/none",
    "MpiDefault": "none",
    "MailProg": "/bin/true",
    "JobAcctGatherType": "jobacct_gather/linux",
    "JobAcctGatherFrequency": "task=2",
    "SelectType": "select/cons_tres",
    "SelectTypeParameters": "CR_Core_Memory",
    "SchedulerType": "sched/backfill",
    "SchedulerParameters": "sched_interval=2,bf_interval=2,batch_sched_delay=0",
    # Otherwise a job whose time limit or node count can never be met would wait for ever.
    "EnforcePartLimits": "ALL",
    "JobRequeue": "1",
    "KillWait": "5",
    "PreemptType": "preempt/partition_prio",
    "PreemptMode": "REQUEUE",
}


_IPV6_ONLY = "EnableIPv6,DisableIPv4"


def render_slurm_conf(options: ClusterOptions, *, process_tracking: str) -> str:
    """slurm.conf; `process_tracking` is the ProctrackType that the host allows."""
    lines = _DEFAULTS | {"ClusterName": options.cluster_name}
    lines["SlurmctldHost"] = f"{CONTROLLER}({machine_addresses(options)[CONTROLLER]})"
    lines["ProctrackType"] = process_tracking
    lines["SlurmdTimeout"] = str(options.slurmd_timeout_s)
    lines |= _accounting_lines(options)
    if options.gpus:
        lines["GresTypes"] = "gpu"
    if options.constrain_memory:
        lines["TaskPlugin"] = "task/cgroup"
    if options.ipv6:
        lines["CommunicationParameters"] = _IPV6_ONLY
    if options.private_tmp:
        # A job's folder is made when its first step, `extern`, begins on a node.
        lines |= {"JobContainerType": "job_container/tmpfs", "PrologFlags": "Contain"}
    if options.max_array_size is not None:
        lines["MaxArraySize"] = str(options.max_array_size)
    if options.min_job_age_s is not None:
        lines["MinJobAge"] = str(options.min_job_age_s)
    if options.rules is not None:
        lines = _merge_settings(lines, options.rules.slurm_conf)
        if options.rules.job_submit:
            lines["JobSubmitPlugins"] = "lua"
        if options.rules.cli_filter:
            lines["CliFilterPlugins"] = "lua"
    lines = _merge_settings(lines, options.settings)
    text = [f"{key}={value}" for key, value in lines.items()]
    return "\n".join([*text, *_node_lines(options), *_partition_lines(options)]) + "\n"


def render_login_conf(slurm_conf: str, options: ClusterOptions) -> str:
    """slurm.conf of a login node without a default cluster: it names one without a controller."""
    other = {
        "ClusterName": "login",
        "SlurmctldHost": f"{LOGIN}({machine_addresses(options)[LOGIN]})",
    }
    lines = [line.partition("=") for line in slurm_conf.splitlines()]
    return "".join(f"{key}{equals}{other.get(key, value)}\n" for key, equals, value in lines)


def render_gres_conf(options: ClusterOptions) -> str:
    """gres.conf: devices that act as /dev/null, which Slurm allocates like real GPUs."""
    lines = []
    for nodes in _numbered(options):
        if gpus := nodes.group.gpus:
            kind = f" Type={nodes.group.gpu_type}" if nodes.group.gpu_type else ""
            files = f"{FAKE_GPU_FOLDER}/gpu[0-{gpus - 1}]"
            lines.append(f"NodeName={nodes.names} Name=gpu{kind} File={files}\n")
    return "".join(lines)


def render_cgroup_conf(options: ClusterOptions, *, slurm_version: tuple[int, int]) -> str:
    """cgroup.conf for the cgroup v1 hierarchies."""
    automount = "" if slurm_version >= (24, 11) else "CgroupAutomount=no\n"
    constrain = "yes" if options.constrain_memory else "no"
    return (
        f"CgroupPlugin=cgroup/v1\n{automount}"
        f"ConstrainCores=no\nConstrainRAMSpace={constrain}\nConstrainDevices=no\n"
    )


def render_job_container_conf(options: ClusterOptions) -> str:
    """job_container.conf: where on a node's disk the jobs' private /tmp and /dev/shm are.

    Empty without `private_tmp`.
    """
    if not options.private_tmp:
        return ""
    return "AutoBasePath=true\nBasePath=/var/lib/slurm/jobs-tmp\n"


def render_slurmdbd_conf(options: ClusterOptions) -> str:
    """slurmdbd.conf; MariaDB identifies the user by the socket, so there is no password."""
    # slurmdbd does not read slurm.conf; by default it looks for IPv4 addresses.
    ipv6 = f"CommunicationParameters={_IPV6_ONLY}\n" if options.ipv6 else ""
    return (
        f"{ipv6}AuthType=auth/munge\nDbdHost=localhost\nDbdPort=6819\nSlurmUser=slurm\n"
        "DebugLevel=info\nLogFile=/var/log/slurm/slurmdbd.log\n"
        "PidFile=/run/slurm/slurmdbd.pid\nStorageType=accounting_storage/mysql\n"
        "StorageHost=localhost\nStorageUser=slurm\nStorageLoc=slurm_acct_db\n"
    )


def _accounting_lines(options: ClusterOptions) -> dict[str, str]:
    if not options.accounting:
        return {"AccountingStorageType": "accounting_storage/none"}
    lines = {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": machine_addresses(options)[CONTROLLER],
        "AccountingStoragePort": "6819",
        "AccountingStorageEnforce": "associations,limits,qos",
    }
    if options.gpus:
        lines["AccountingStorageTRES"] = "gres/gpu"
    return lines


def _merge_settings(lines: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """`lines` overridden by `settings`; an empty value removes a line.

    The case of keys does not matter, as in Slurm.
    """
    overridden = {key.lower() for key in settings}
    merged = {key: value for key, value in lines.items() if key.lower() not in overridden}
    return merged | {key: value for key, value in settings.items() if value}


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A group of nodes and the number of its first node."""

    group: NodeGroup
    first: int

    @property
    def names(self) -> str:
        return node_range(self.first, self.group.count)

    def addresses(self, options: ClusterOptions) -> str:
        return node_address_range(options, self.first, self.group.count)


def _numbered(options: ClusterOptions) -> list[_Numbered]:
    alike = NodeGroup(
        count=options.nodes, cpus=options.cpus, memory_mb=options.memory_mb, gpus=options.gpus
    )
    groups = [alike] if options.rules is None else options.rules.nodes
    first = [1 + sum(group.count for group in groups[:index]) for index in range(len(groups))]
    return [_Numbered(*pair) for pair in zip(groups, first, strict=True)]


def _node_lines(options: ClusterOptions) -> list[str]:
    return [_node_line(options, nodes) for nodes in _numbered(options)]


def _node_line(options: ClusterOptions, nodes: _Numbered) -> str:
    group = nodes.group
    kind = f"{group.gpu_type}:" if group.gpu_type else ""
    gres = f" Gres=gpu:{kind}{group.gpus}" if group.gpus else ""
    features = f" Feature={','.join(group.features)}" if group.features else ""
    return (
        f"NodeName={nodes.names} NodeAddr={nodes.addresses(options)} "
        f"Sockets=1 CoresPerSocket={group.cpus // group.threads_per_core} "
        f"ThreadsPerCore={group.threads_per_core} "
        f"RealMemory={group.memory_mb}{gres}{features} State=UNKNOWN"
    )


def _partition_lines(options: ClusterOptions) -> list[str]:
    if options.rules is not None:
        groups = _numbered(options)
        return [_site_partition(each, groups) for each in options.rules.partitions]
    return [
        f"PartitionName=gpu Default=YES {_PARTITION} PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=batch {_PARTITION} PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=ml-gpu {_PARTITION} PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=scavenge {_PARTITION} PriorityTier=1 PreemptMode=REQUEUE",
    ]


def _site_partition(partition: Partition, groups: Sequence[_Numbered]) -> str:
    nodes = ",".join(groups[index].names for index in partition.groups)
    settings = "".join(f" {key}={value}" for key, value in partition.settings.items())
    return f"PartitionName={partition.name} Nodes={nodes} State=UP{settings}"
