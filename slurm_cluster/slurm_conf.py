"""Slurm's configuration files as text."""

from collections.abc import Mapping

from slurm_cluster.addresses import (
    CONTROLLER,
    machine_addresses,
    node_address_range,
    node_range,
)
from slurm_cluster.options import ClusterOptions

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
    # With 2 Slurm would let them "run" until the controller asks the node for them again.
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
    # Else a job whose time limit or node count can never be met waits for ever.
    "EnforcePartLimits": "ALL",
    "JobRequeue": "1",
    "KillWait": "5",
    "PreemptType": "preempt/partition_prio",
    "PreemptMode": "REQUEUE",
}


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
    if options.max_array_size is not None:
        lines["MaxArraySize"] = str(options.max_array_size)
    if options.min_job_age_s is not None:
        lines["MinJobAge"] = str(options.min_job_age_s)
    lines = _merge_settings(lines, options.settings)
    text = [f"{key}={value}" for key, value in lines.items()]
    return "\n".join([*text, _node_line(options), *_partition_lines()]) + "\n"


def render_gres_conf(options: ClusterOptions) -> str:
    """gres.conf: twins of /dev/null, which Slurm hands out like real GPUs."""
    if not options.gpus:
        return ""
    files = f"{FAKE_GPU_FOLDER}/gpu[0-{options.gpus - 1}]"
    return f"NodeName={node_range(options)} Name=gpu File={files}\n"


def render_cgroup_conf(options: ClusterOptions, *, slurm_version: tuple[int, int]) -> str:
    """cgroup.conf for the cgroup v1 hierarchies."""
    automount = "" if slurm_version >= (24, 11) else "CgroupAutomount=no\n"
    constrain = "yes" if options.constrain_memory else "no"
    return (
        f"CgroupPlugin=cgroup/v1\n{automount}"
        f"ConstrainCores=no\nConstrainRAMSpace={constrain}\nConstrainDevices=no\n"
    )


def render_slurmdbd_conf() -> str:
    """slurmdbd.conf; MariaDB knows the user by the socket, so there is no password."""
    return (
        "AuthType=auth/munge\nDbdHost=localhost\nDbdPort=6819\nSlurmUser=slurm\n"
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
    """`lines` with `settings` over them; Slurm ignores the case of keys, so does this."""
    overridden = {key.lower() for key in settings}
    merged = {key: value for key, value in lines.items() if key.lower() not in overridden}
    return merged | {key: value for key, value in settings.items() if value}


def _node_line(options: ClusterOptions) -> str:
    gres = f" Gres=gpu:{options.gpus}" if options.gpus else ""
    return (
        f"NodeName={node_range(options)} NodeAddr={node_address_range(options)} "
        f"Sockets=1 CoresPerSocket={options.cpus} ThreadsPerCore=1 "
        f"RealMemory={options.memory_mb}{gres} State=UNKNOWN"
    )


def _partition_lines() -> list[str]:
    return [
        f"PartitionName=gpu Default=YES {_PARTITION} PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=batch {_PARTITION} PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=ml-gpu {_PARTITION} PriorityTier=10 PreemptMode=OFF",
        f"PartitionName=scavenge {_PARTITION} PriorityTier=1 PreemptMode=REQUEUE",
    ]
