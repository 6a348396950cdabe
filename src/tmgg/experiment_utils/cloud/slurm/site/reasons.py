"""Why a Slurm job is pending, in plain words. Pure.

Sources: https://slurm.schedmd.com/job_reason_codes.html, and the names in Slurm 22.05's library.
Most of the 150 names follow a pattern (`QOSMaxGRESPerUser`); these are parsed, not listed.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

Outlook = Literal["waits", "blocked"]
"""`waits`: the job will start by itself. `blocked`: it starts only after a person has changed
something."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a reason means for the user."""

    reason: str
    """Slurm's name for the reason."""
    words: str
    outlook: Outlook
    advice: str = ""
    """What to do; empty if the user can only wait."""


def _waits(words: str, advice: str = "") -> tuple[str, Outlook, str]:
    return words, "waits", advice


def _blocked(words: str, advice: str) -> tuple[str, Outlook, str]:
    return words, "blocked", advice


_SMALLER = "Fewer nodes, fewer GPUs or a shorter slurm_time_limit let it start sooner."
_ASK = "Ask the cluster's administrators."
_CANCEL = "Cancel the run (tmgg-jobs cancel), correct the option, and submit again."

REASONS: dict[str, tuple[str, Outlook, str]] = {
    "AccountNotAllowed": _blocked(
        "The partition does not admit this account.",
        f"Set slurm_account or slurm_partition to a pair that fits. {_CANCEL}",
    ),
    "AccountingPolicy": _waits("A limit of the accounting policy is reached."),
    "AssociationJobLimit": _waits("Your account runs its largest number of jobs already."),
    "AssociationResourceLimit": _waits(
        "Your account uses all the resources that it may use at one time."
    ),
    "AssociationTimeLimit": _blocked(
        "Your account has used up its time, or the job asks for more than is left.",
        f"Set another slurm_account, or ask for more allocation. {_CANCEL}",
    ),
    "BadConstraints": _blocked(
        "No node has what the job asks for (features, memory, CPUs or GPUs together).",
        f"tmgg-jobs doctor compares the request with the nodes. {_CANCEL}",
    ),
    "BeginTime": _waits(
        "Its start time has not come. A requeued job waits about two minutes before it may start."
    ),
    "BlockFreeAction": _waits("The site's Blue Gene block is being freed."),
    "BlockMaxError": _blocked("The site's Blue Gene block failed too often.", _ASK),
    "BurstBufferOperation": _blocked("A burst buffer operation failed.", _ASK),
    "BurstBufferResources": _waits("The burst buffer is full."),
    "BurstBufferStageIn": _waits("Its data is being staged in."),
    "Cleaning": _waits("Its earlier start is still being cleaned up."),
    "DeadLine": _blocked("It cannot end before its deadline.", _CANCEL),
    "Dependency": _waits(
        "It waits for another job (slurm_dependency).", "`squeue --me` shows the state of that job."
    ),
    "DependencyNeverSatisfied": _blocked(
        "It can never start: the other job did not end as slurm_dependency demands (for "
        "example afterok, and it failed).",
        "Cancel the run; submit it again without slurm_dependency, or after the other job is done.",
    ),
    "FedJobLock": _waits("The clusters of the federation are deciding where it starts."),
    "FrontEndDown": _waits("The front-end node is down."),
    "InvalidAccount": _blocked(
        "The account is not valid any more.", f"Set slurm_account to one of yours. {_CANCEL}"
    ),
    "InvalidQOS": _blocked(
        "The quality of service is not valid any more.", f"Set slurm_qos. {_CANCEL}"
    ),
    "JobArrayTaskLimit": _waits("The largest number of tasks of its array runs already."),
    "JobHeldAdmin": _blocked("An administrator holds it.", _ASK),
    "JobHeldUser": _blocked("It is held.", "`scontrol release JOB_ID` releases it."),
    "JobHoldMaxRequeue": _blocked(
        "It was requeued so often that Slurm holds it: it fails each time it starts.",
        "Read the .err file; `scontrol release JOB_ID` lets it try again.",
    ),
    "JobLaunchFailure": _blocked("It could not be launched on its nodes.", _ASK),
    "Licenses": _waits("The licences it asks for are in use."),
    "MaxMemPerLimit": _blocked(
        "It asks for more memory per node or CPU than the partition allows.",
        f"Lower slurm_mem_per_cpu. {_CANCEL}",
    ),
    "NodeDown": _waits("A node it needs is down.", "`sinfo -R` shows since when and why."),
    "NonZeroExitCode": _waits("It failed and was requeued."),
    "None": _waits("The scheduler has not looked at it yet."),
    "OutOfMemory": _blocked("It ran out of memory.", "Increase slurm_mem_per_cpu."),
    "PartitionConfig": _blocked(
        "The partition's settings do not let it run.",
        f"tmgg-jobs doctor compares the request with the partition. {_CANCEL}",
    ),
    "PartitionDown": _waits(
        "The partition is down: it takes jobs but starts none.", "`sinfo -p PARTITION` shows it."
    ),
    "PartitionInactive": _waits("The partition is inactive: it starts no jobs."),
    "PartitionNodeLimit": _blocked(
        "It asks for more nodes than the partition has or gives to one job.",
        f"Lower slurm_nodes or choose another slurm_partition. {_CANCEL}",
    ),
    "PartitionTimeLimit": _blocked(
        "It asks for more time than the partition allows.",
        f"Lower slurm_time_limit or choose another slurm_partition. {_CANCEL}",
    ),
    "PowerNotAvail": _waits("There is not enough electrical power for it at the moment."),
    "PowerReserved": _waits("The power it needs is reserved."),
    "Priority": _waits("Other jobs come first in this partition.", _SMALLER),
    "Prolog": _waits("The nodes run their prolog."),
    "QOSJobLimit": _waits("The quality of service runs its largest number of jobs already."),
    "QOSNotAllowed": _blocked(
        "The partition or account does not admit this quality of service.",
        f"Set slurm_qos or slurm_partition. {_CANCEL}",
    ),
    "QOSResourceLimit": _waits(
        "The quality of service uses all the resources that it may use at one time."
    ),
    "QOSTimeLimit": _blocked(
        "The quality of service has used up its time.", f"Set another slurm_qos. {_CANCEL}"
    ),
    "QOSUsageThreshold": _blocked(
        "Your recent use is above what the quality of service allows.", "Set another slurm_qos."
    ),
    "ReqNodeNotAvail": _waits(
        "Nodes it needs are down, drained or reserved, often for a maintenance that its time limit "
        "would run into.",
        "A shorter slurm_time_limit may fit in before a maintenance. `scontrol show reservation` "
        "shows maintenances, `sinfo -R` shows which nodes are down. slurm_nodelist, if it is set, "
        "asks for certain nodes only.",
    ),
    "Reservation": _waits("Its reservation has not begun."),
    "ReservationDeleted": _blocked(
        "Its reservation was deleted.", f"Remove slurm_reservation. {_CANCEL}"
    ),
    "Resources": _waits("It is next in line and waits for nodes to become free.", _SMALLER),
    "SchedDefer": _waits("The scheduler defers new jobs; it looks at them in its next pass."),
    "SystemFailure": _blocked("Slurm, the file system or the network failed.", _ASK),
}
# Reasons that are sentences; squeue -O of some versions shows their spaces as underscores.
_SENTENCES: dict[str, tuple[str, Outlook, str]] = {
    "Nodes required for job are DOWN, DRAINED or reserved": _waits(
        "Too few nodes of the partition are up and free for it: some are down, drained, or "
        "reserved for jobs of other partitions.",
        "`sinfo -p PARTITION -R` shows which nodes are out and why.",
    ),
    "job requeued in held state": _blocked(
        "It was requeued and is held.", "`scontrol release JOB_ID` lets it go."
    ),
    "launch failed requeued held": _blocked(
        "Its start failed on the nodes; Slurm requeued and holds it.",
        "`scontrol release JOB_ID` lets it try again; tell the administrators which node it was.",
    ),
}

_LIMIT = re.compile(
    r"(?P<owner>Assoc|QOS|)(?P<rule>Grp|Max|Min)"
    r"(?P<what>BB|Billing|CPU|Cpu|Energy|GRES|Jobs?|License|Memory|Mem|Node|SubmitJobs?|Unknown"
    r"|Wall(?:Duration)?)"
    r"(?P<time>RunMinutes|Minutes|)(?P<per>Per(?:Account|Job|Node|User)|)(?:Limit|NotSatisfied|)"
)
_COMMAND = re.compile(r"`(squeue|scontrol|sinfo) ")
_OWNERS = {
    "Assoc": ("your account (association)", "slurm_account"),
    "QOS": ("the quality of service", "slurm_qos"),
    "": ("the quality of service", "slurm_qos"),
}
_WHAT = {
    "BB": "burst buffer",
    "Billing": "billing units",
    "CPU": "CPUs",
    "Cpu": "CPUs",
    "Energy": "energy",
    "GRES": "GPUs or other generic resources",
    "Job": "jobs",
    "Jobs": "jobs",
    "License": "licences",
    "Mem": "memory",
    "Memory": "memory",
    "Node": "nodes",
    "SubmitJob": "submitted jobs",
    "SubmitJobs": "submitted jobs",
    "Unknown": "a resource",
    "Wall": "run time",
    "WallDuration": "run time",
}


def explain_reason(text: str) -> list[Explanation]:
    """One explanation for each reason in Slurm's text; there is always at least one."""
    plain = text.strip().strip("()").replace("_", " ")
    for beginning, (words, outlook, advice) in _SENTENCES.items():
        if plain.startswith(beginning):
            return [Explanation(beginning, words, outlook, advice)]
    names = [name for name in re.findall(r"[A-Za-z]+", plain) if _meaning(name) is not None]
    if not names:
        return [_unknown(plain)]
    return [_explanation(name) for name in dict.fromkeys(names)]


def at_cluster(explanation: Explanation, cluster: str | None) -> Explanation:
    """The explanation with `--clusters` in the commands of its advice, if `cluster` is not None."""
    if cluster is None:
        return explanation
    advice = _COMMAND.sub(rf"`\1 --clusters={cluster} ", explanation.advice)
    return replace(explanation, advice=advice)


def _explanation(name: str) -> Explanation:
    meaning = _meaning(name)
    assert meaning is not None
    return Explanation(name, *meaning)


def _unknown(text: str) -> Explanation:
    words = f"Slurm says {text!r}." if text else "Slurm gives no reason."
    advice = "https://slurm.schedmd.com/job_reason_codes.html lists the reasons." if text else ""
    return Explanation(text, words, "waits", advice)


def _meaning(name: str) -> tuple[str, Outlook, str] | None:
    if name in REASONS:
        return REASONS[name]
    limit = _LIMIT.fullmatch(name)
    return _limit_meaning(limit) if limit else None


def _limit_meaning(limit: re.Match[str]) -> tuple[str, Outlook, str]:
    owner, option = _OWNERS[limit["owner"]]
    what = _WHAT[limit["what"]] + (" over time" if limit["time"] else "")
    change = f"Ask for less, or set another {option}. {_CANCEL}"
    if limit["rule"] == "Min":
        return _blocked(f"It asks for fewer {what} than {owner} wants at least.", change)
    if limit["rule"] == "Grp":
        if limit["time"] == "Minutes" or limit["what"] == "Wall":
            words = f"The jobs of {owner} together have used up their budget of {what}."
            return _blocked(words, f"Set another {option}, or ask for more allocation.")
        return _waits(f"The jobs of {owner} together are at their limit for {what}.")
    if limit["per"] in ("PerJob", "PerNode") or limit["what"].startswith("Wall"):
        where = "one node" if limit["per"] == "PerNode" else "one job"
        return _blocked(f"It asks for more {what} than {owner} gives to {where}.", change)
    whose = "Your account's jobs" if limit["per"] == "PerAccount" else "Your jobs"
    return _waits(f"{whose} together are at the limit that {owner} has for {what}.")
