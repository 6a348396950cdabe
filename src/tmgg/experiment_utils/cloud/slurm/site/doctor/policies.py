"""Accounts, limits, preemption: what the site's policies mean for the runs of a config. Pure."""

from collections.abc import Sequence

from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.site.doctor.findings import Finding, ok, problem, warning
from tmgg.experiment_utils.cloud.slurm.site.site import (
    Settings,
    is_limit,
    parse_limit,
    parse_resources,
    parse_time_limit_s,
    preemption,
)

# With a MinJobAge below this, the controller may forget a finished job before TMGG asks about it.
SHORT_JOB_AGE_S = 30


def own_associations(
    config: SlurmConfig, associations: Sequence[Settings], site: Settings, default_account: str = ""
) -> list[Settings]:
    """The associations that apply to a job of the config; none if its account is not known.

    Slurm prefers an association with the job's partition to one without a partition.
    """
    here = here_only(associations, site)
    names = {row.get("Account", "") for row in here}
    account = config.account or default_account or (names.pop() if len(names) == 1 else None)
    rows = [row for row in here if row.get("Account") == account]
    named = [row for row in rows if row.get("Partition") in config.partitions]
    return named or [row for row in rows if not row.get("Partition")]


def here_only(associations: Sequence[Settings], site: Settings) -> list[Settings]:
    """The associations on the cluster that answers; all if the cluster's name is not known."""
    cluster = site.get("ClusterName", "")
    return [row for row in associations if not cluster or row.get("Cluster") in ("", None, cluster)]


def check_accounts(
    config: SlurmConfig, associations: Sequence[Settings], site: Settings, default_account: str = ""
) -> list[Finding]:
    """Findings on the config's account and quality of service: whether the user may use them."""
    check = "account"
    own = own_associations(config, associations, site, default_account)
    associations = here_only(associations, site)
    enforced = "associations" in site.get("AccountingStorageEnforce", "")
    names = sorted({row.get("Account", "") for row in associations})
    if not names:
        if not enforced:
            return [ok(check, "this site asks for none")]
        advice = "Ask the administrators for an account; without one no job is accepted."
        return [problem(check, "you have no account on this cluster", advice)]
    if config.account is not None and config.account not in names:
        text = f"slurm_account={config.account} is not one of yours: {', '.join(names)}"
        return [problem(check, text, "Set slurm_account to one of them.")]
    rows = [row for row in associations if config.account in (None, row.get("Account"))]
    return [
        *(_check_qos(config, rows) or [ok(check, f"{config.account or ', '.join(names)}")]),
        *(finding for row in own for finding in check_limits(config, "account", row)),
    ]


def check_qualities(
    config: SlurmConfig, qualities: Sequence[Settings], default: str | None
) -> list[Finding]:
    """Findings on the limits of the quality of service that a job would have."""
    name = config.qos or default
    rows = [row for row in qualities if row.get("Name") == name]
    return [finding for row in rows for finding in check_limits(config, f"qos {name}", row)]


def check_limits(config: SlurmConfig, check: str, row: Settings) -> list[Finding]:
    """Findings on one job of the config and the limits in `row`.

    `row` is a row of `sacctmgr show assoc` or `sacctmgr show qos`.
    """
    found = []
    most_s = parse_time_limit_s(row.get("MaxWall"))
    if most_s is not None and (config.time_limit_s is None or config.time_limit_s > most_s):
        text = f"gives a job at most {row['MaxWall']}; slurm_time_limit is {config.time_limit}"
        found.append(problem(check, text, "Lower slurm_time_limit."))
    for column in ("MaxTRES", "MaxTRESPU", "GrpTRES"):
        for resource, most in parse_resources(row.get(column, "")).items():
            asked = _asked(config, resource)
            limit = parse_limit(most)
            if asked is not None and limit is not None and asked > limit:
                text = f"gives at most {most} {resource} ({column}); the job asks for {asked}"
                option = "slurm_account" if check == "account" else "slurm_qos"
                found.append(problem(check, text, f"Ask for less, or set another {option}."))
    for column in ("MaxSubmit", "MaxSubmitPU", "GrpSubmit", "MaxJobs", "MaxJobsPU"):
        if is_limit(row.get(column)):
            what = "in the queue" if "Submit" in column else "running"
            text = f"allows {row[column]} jobs {what} at one time ({column})"
            advice = "Keep the launcher's parallelism at or below that."
            found.append(warning(check, text, advice))
    return found


def check_site(config: SlurmConfig, site: Settings) -> list[Finding]:
    """Findings on settings of slurm.conf that matter to runs."""
    return [
        *_limits(site),
        *_bookkeeping(site),
        *_process_tracking(site),
        *_requeue(config, site),
    ]


def check_preemption(
    config: SlurmConfig, partition: Settings, site: Settings, *, partitions: Sequence[Settings]
) -> list[Finding]:
    """Whether jobs of the partition, one of `partitions`, can be preempted, and what follows."""
    check = f"preemption in {partition.get('PartitionName', '?')}"
    mode = preemption(partition, partitions, site)
    if not mode:
        return [ok(check, "jobs are not preempted")]
    requeued = config.requeue if config.requeue is not None else site.get("JobRequeue") == "1"
    if "REQUEUE" in mode and requeued:
        text = f"jobs may be preempted ({mode}) and are then requeued"
        advice = "Let the experiment save checkpoints to its output folder, and resume from them."
        return [warning(check, text, advice)]
    text = f"jobs may be preempted ({mode}) and are then lost"
    advice = "Set slurm_requeue=true where the site requeues, or choose another slurm_partition."
    return [warning(check, text, advice)]


def _check_qos(config: SlurmConfig, rows: Sequence[Settings]) -> list[Finding]:
    names = sorted({name for row in rows for name in row.get("QOS", "").split(",") if name})
    if config.qos is None or not names or config.qos in names:
        return []
    text = f"slurm_qos={config.qos} is not one of yours: {', '.join(names)}"
    return [problem("qos", text, "Set slurm_qos to one of them.")]


def _asked(config: SlurmConfig, resource: str) -> int | None:
    """The least amount of a resource that one job gets; None for resources not listed here.

    A job that takes whole nodes may get more.
    """
    return {
        "node": config.nodes,
        "cpu": config.nodes * config.cpus_per_node,
        "gres/gpu": config.nodes * config.gpus_per_node,
    }.get(resource)


def _limits(site: Settings) -> list[Finding]:
    known = {
        "MaxArraySize": "job arrays go up to index",
        "MaxJobCount": "jobs the controller holds at most:",
        "DefMemPerCPU": "memory per CPU unless said otherwise, in MB:",
        "MaxMemPerCPU": "memory per CPU at most, in MB:",
    }
    facts = [
        f"{words} {_upto(name, site[name])} ({name})"
        for name, words in known.items()
        if is_limit(site.get(name))
    ]
    found = [ok("limits", "; ".join(facts))] if facts else []
    if site.get("EnforcePartLimits", "ALL").upper() in ("NO", "0"):
        text = "requests that no partition can ever serve are accepted, and wait for ever"
        found.append(warning("limits", text, "tmgg-jobs explain tells when a run is stuck so."))
    return found


def _upto(name: str, value: str) -> str:
    number = parse_limit(value)
    return str(number - 1) if name == "MaxArraySize" and number else value


def _bookkeeping(site: Settings) -> list[Finding]:
    check = "accounting"
    kept = "none" not in site.get("AccountingStorageType", "none")
    age_s = parse_limit(site.get("MinJobAge", "").partition(" ")[0])
    if kept:
        return [ok(check, f"is on; the controller remembers finished jobs for {age_s} s")]
    advice = (
        "TMGG then goes by what jobs write themselves; one that Slurm kills before it can write is "
        "judged after slurm_lost_grace_s."
    )
    found = [warning(check, "is off: sacct cannot tell how jobs ended", advice)]
    if age_s is not None and age_s < SHORT_JOB_AGE_S:
        text = f"and the controller forgets finished jobs after {age_s} s (MinJobAge)"
        found.append(warning(check, text, advice))
    return found


def _process_tracking(site: Settings) -> list[Finding]:
    kind = site.get("ProctrackType", "")
    if "cgroup" in kind or not kind:
        return []
    text = f"{kind} does not end processes that left their job, such as Ray's"
    advice = "Where a job then says that Ray is already started on a node, log in and end it."
    return [warning("process tracking", text, advice)]


def _requeue(config: SlurmConfig, site: Settings) -> list[Finding]:
    requeued = config.requeue if config.requeue is not None else site.get("JobRequeue") == "1"
    if requeued:
        return [ok("requeue", "jobs are started again after a node failure")]
    advice = "slurm_requeue=true lets Slurm start them again; tmgg-jobs retry does it by hand."
    return [warning("requeue", "jobs are not started again after a node failure", advice)]
