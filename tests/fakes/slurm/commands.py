"""The commands of a pretended Slurm, with the words and exit codes of a real one (22.05).

Each command is a process of its own, as the real ones are, so that whoever calls them is tested
down to its argument lists, environment and time-outs. `Fault`s make them fail as real ones do.
Only the standard library, and little of it: a call takes 20 ms.
"""

from __future__ import annotations

import os
import pwd
import sys
import time

from tests.fakes.slurm import jobs, queries, state
from tests.fakes.slurm.directives import parse_directives, parse_options

TYPE_CHECKING = False  # importing typing would take a third of a command's time
if TYPE_CHECKING:
    from typing import Any

    Job = dict[str, Any]


_START = "2026-11-23T23:30:45"
_NO_CONTROLLER = "Unable to contact slurm controller (connect failure)"


class EndError(Exception):
    """The command ends with these words on stderr."""

    def __init__(self, exit_code: int, words: str) -> None:
        super().__init__(words)
        self.exit_code = exit_code
        self.words = words


def main(command: str, folder: str, arguments: list[str]) -> int:
    """Answer one call."""
    state.log_call(folder, command, arguments)
    if command == "srun":
        return jobs.srun(arguments)
    with state.locked(folder) as now:
        fault = _take_fault(now, _name(command, arguments))
    if fault is None:
        return _say(*_answer(command, folder, arguments))
    if fault["perform"]:
        _answer(command, folder, arguments)
    return _act_out(fault, command, folder, arguments)


def _name(command: str, arguments: list[str]) -> str:
    is_trial = command == "sbatch" and "--test-only" in arguments
    return f"{command} --test-only" if is_trial else command


def _take_fault(now: state.State, command: str) -> Job | None:
    for fault in now["faults"]:
        if fault["command"] == command and fault["times"] != 0:
            if fault["times"] is not None:
                fault["times"] -= 1
            return dict(fault)
    return None


def _act_out(fault: Job, command: str, folder: str, arguments: list[str]) -> int:
    time.sleep(fault["delay_s"])
    if fault["kill"]:
        os.kill(os.getpid(), 9)
    if fault["stdout"] is not None or fault["stderr"] or fault["exit_code"] is not None:
        _write(sys.stdout.fileno(), fault["stdout"] or "")
        _write(sys.stderr.fileno(), fault["stderr"])
        return int(fault["exit_code"] or 0)
    exit_code, out, error = _answer(command, folder, arguments)
    return _say(exit_code, f"{fault['before']}{out}{fault['after']}", error)


def _say(exit_code: int, out: str, error: str) -> int:
    _write(sys.stdout.fileno(), out)
    _write(sys.stderr.fileno(), error)
    return exit_code


def _write(descriptor: int, text: str) -> None:
    os.write(descriptor, text.encode("utf-8", "surrogateescape"))


def _answer(command: str, folder: str, arguments: list[str]) -> tuple[int, str, str]:
    try:
        if arguments and arguments[0].startswith("--clusters="):
            return 0, _of_cluster(command, folder, arguments), ""
        return 0, _COMMANDS[command](folder, arguments), ""
    except EndError as error:
        return error.exit_code, "", error.words + "\n"
    except queries.QueryError as error:
        return 1, "", f"{error}\n"


def _of_cluster(command: str, folder: str, arguments: list[str]) -> str:
    """One of `FakeSlurm.add_cluster`, which has jobs and numbers of its own."""
    option, *rest = arguments
    name = option.partition("=")[2]
    if not os.path.exists(f"{folder}/{name}/state.json"):  # noqa: PTH110 - as above
        raise EndError(
            1, f"{command}: error: '{name}' can't be reached now, or it is an invalid entry for "
            "--cluster.  Use 'sacctmgr list clusters' to see available clusters."
        )  # fmt: skip
    said = _COMMANDS[command](f"{folder}/{name}", rest)
    if command == "sbatch":
        return f"{said.strip()};{name}\n"
    return f"CLUSTER: {name}\n{said}" if command == "squeue" else said


def _sbatch(folder: str, arguments: list[str]) -> str:
    if arguments == ["--version"]:
        return "slurm-wlm 22.05.8\n"
    if arguments[0] == "--test-only":
        return _try(folder, arguments[1:])
    with state.locked(folder) as now:
        if now["controller"] != "up":
            raise EndError(1, f"sbatch: error: Batch job submission failed: {_NO_CONTROLLER}")
        job = _new_job(now, arguments)
        now["jobs"][job["id"]] = job
        now["next_id"] += 1
        run = now["run_jobs"]
    if run:
        jobs.start(folder, job["id"])
    return f"{job['id']}\n"


def _try(folder: str, arguments: list[str]) -> str:
    now = state.read(folder)
    try:
        job = _new_job(now, arguments)
    except EndError as error:
        words = error.words.replace(
            "sbatch: error: Batch job submission failed", "allocation failure"
        )
        raise EndError(1, words) from error
    partition = job["options"].get("partition", now["partitions"][0]).split(",")[0]
    raise EndError(
        0,
        f"sbatch: Job {job['id']} to start at {now['starts'].get(partition, _START)} using 1 "
        f"processors on nodes node1 in partition {partition}",
    )


def _new_job(now: state.State, arguments: list[str]) -> Job:
    *given, script = arguments
    try:
        with open(script) as stream:  # noqa: PTH123 - pathlib would double the start-up
            options = parse_options(parse_directives(stream.read())) | parse_options(given)
    except OSError as error:
        raise EndError(1, f"sbatch: error: Unable to open file {script}") from error
    except ValueError as error:
        raise EndError(255, str(error)) from error
    _refuse(now, options)
    return jobs.new_job(
        str(now["next_id"]), script, options, submit_line=" ".join(["sbatch", *arguments])
    )


def _refuse(now: state.State, options: dict[str, str]) -> None:
    failed = "sbatch: error: Batch job submission failed: "
    for rule in now["rules"]:
        if _breaks(rule, options):
            raise EndError(1, f"sbatch: error: {rule['words']}\n{failed}Unspecified error")
    for partition in options.get("partition", now["partitions"][0]).split(","):
        if partition not in now["partitions"]:
            raise EndError(
                1,
                f"sbatch: error: invalid partition specified: {partition}\n"
                f"{failed}Invalid partition name specified",
            )
        if partition in now["closed_partitions"]:
            raise EndError(1, f"{failed}Required partition not available (inactive or drain)")
    size = _array_size(options)
    if size > now["max_array_size"]:
        raise EndError(1, f"{failed}Invalid job array specification")
    waiting = sum(_array_size(job["options"]) for job in now["jobs"].values() if _is_open(job))
    if now["max_submit"] is not None and waiting + size > now["max_submit"]:
        raise EndError(
            1,
            "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
            f"{failed}Job violates accounting/QOS policy (job submit limit, user's size and/or "
            "time limits)",
        )
    if any(job not in now["jobs"] or not now["jobs"][job]["in_queue"] for job in _needed(options)):
        raise EndError(1, f"{failed}Job dependency problem")
    if options.get("account", now["accounts"][0]) not in now["accounts"]:
        raise EndError(1, f"{failed}Invalid account or account/partition combination specified")


def _needed(options: dict[str, str]) -> list[str]:
    """The jobs that the controller must know, by a dependency (Slurm 23.02 and newer)."""
    items = options.get("dependency", "").replace("?", ",").split(",")
    kinds = ("afterok", "afternotok")
    return [
        job for kind, *jobs in (item.split(":") for item in items) if kind in kinds for job in jobs
    ]


def _breaks(rule: Job, options: dict[str, str]) -> bool:
    """Of a site's job_submit.lua: an option that must or may not be there, or its value."""
    value = options.get(rule["option"])
    if rule["allowed"] is None:
        return value is not None
    return value not in rule["allowed"] if rule["allowed"] else value is None


def _array_size(options: dict[str, str]) -> int:
    """How many jobs it is; the fake's arrays count from 0."""
    return (
        int(options["array"].partition("%")[0].partition("-")[2]) + 1 if "array" in options else 1
    )


def _is_open(job: Job) -> bool:
    return job["state"] in ("PENDING", "RUNNING")


def _squeue(folder: str, arguments: list[str]) -> str:
    now = state.read(folder)
    if now["controller"] != "up":
        raise EndError(1, f"slurm_load_jobs error: {_NO_CONTROLLER}")
    return queries.squeue(now, parse_flags(arguments, ("--array", "--all")))


def _sacct(folder: str, arguments: list[str]) -> str:
    now = state.read(folder)
    if now["accounting"] == "absent":
        raise EndError(1, "Slurm accounting storage is disabled")
    if now["accounting"] == "down":
        raise EndError(
            1,
            "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent "
            "connection to host:localhost:6819: Connection refused\n"
            "sacct: error: Sending PersistInit msg: Connection refused\n"
            "sacct: error: Problem talking to the database: Connection refused",
        )
    return queries.sacct(now, parse_flags(arguments, ("--noheader", "--parsable2")))


def _scontrol(folder: str, arguments: list[str]) -> str:
    words = [word for word in arguments if word not in ("--oneliner", "--all")]
    now = state.read(folder)
    match words:
        case ["show", "hostnames", expression]:
            return "".join(f"{name}\n" for name in jobs.expand_nodes(expression))
        case ["show", "config"]:
            if now["controller"] != "up":
                raise EndError(1, f"slurm_load_ctl_conf error: {_NO_CONTROLLER}")
            more = "".join(f"{key:23} = {value}\n" for key, value in now["settings"].items())
            return (
                f"Configuration data\nMaxArraySize            = {now['max_array_size']}\n"
                f"ClusterName             = {now['cluster']}\n{more}"
            )
        case ["show", "partition"]:
            if now["controller"] != "up":
                raise EndError(1, f"slurm_load_partitions error: {_NO_CONTROLLER}")
            return "".join(_partition(now, name) for name in _shown(now, arguments))
        case ["show", "node", name]:
            return f"NodeName={name} Arch=x86_64\n   NodeAddr={now.get('address', name)} \n"
        case ["show", "job", job_id]:
            if now["controller"] != "up":
                raise EndError(1, f"slurm_load_jobs error: {_NO_CONTROLLER}")
            return queries.scontrol_job(now, job_id)
    raise EndError(1, f"invalid keyword: {' '.join(words)}")


def _shown(now: state.State, arguments: list[str]) -> list[str]:
    """The partitions that a question with these arguments shows."""
    every = "--all" in arguments
    return [name for name in now["partitions"] if every or not queries.is_hidden(now, name)]


def _partition(now: state.State, name: str) -> str:
    default = "YES" if name == now["partitions"][0] else "NO"
    own = {"Default": default, "Hidden": "NO", "State": "UP"}
    own |= now["partition_settings"].get(name, {})
    return " ".join([f"PartitionName={name}", *(f"{key}={own[key]}" for key in own)]) + "\n"


def _scancel(folder: str, arguments: list[str]) -> str:
    for job_id in arguments:
        with state.locked(folder) as now:
            if now["controller"] != "up":
                raise EndError(8, f"scancel: error: {_NO_CONTROLLER}")
            array, underscore, elements = job_id.partition("_")
            job = now["jobs"].get(array)
            if job is None or not _is_open(job):
                continue
            if underscore:
                job["taken_out"] += jobs.expand_numbers(elements.strip("[]"))
                continue
            job.update(state="CANCELLED", cancelled_by=os.getuid())
        jobs.end(job)
    return ""


def _sinfo(folder: str, arguments: list[str]) -> str:
    now = state.read(folder)
    if arguments == ["--noheader", "--format=%R"]:
        return "".join(f"{name}\n" for name in _shown(now, arguments))
    names = _shown(now, arguments)
    if arguments[:1] == ["--all"]:
        arguments = arguments[1:]
    if arguments == ["--noheader", "--Node", "--format=%R|%N|%c|%m|%G|%T|%f"]:
        return "".join(f"{name}|{node}\n" for name in names for node in _nodes_of(now, name))
    raise EndError(1, f"sinfo: the fake does not know {arguments}")


def _nodes_of(now: state.State, partition: str) -> list[str]:
    """All nodes, unless each partition has nodes of its own."""
    nodes = now["nodes"]
    return list(nodes[partition] if isinstance(nodes, dict) else nodes)


def _sshare(folder: str, arguments: list[str]) -> str:
    now = state.read(folder)
    if arguments[:2] != ["--parsable2", "-U"] or not arguments[-1].startswith("--format="):
        raise EndError(1, f"sshare: the fake does not know {arguments}")
    if now["accounting"] != "on":
        raise EndError(1, "sshare: error: Unable to connect to the database")
    names = arguments[-1].partition("=")[2]
    user = pwd.getpwuid(os.getuid()).pw_name
    rows = [f"{name}|{user}|1|0.500000|10|0.250000|0.750000\n" for name in now["accounts"]]
    return f"{names.replace(',', '|')}\n{''.join(rows)}"


def _sacctmgr(folder: str, arguments: list[str]) -> str:
    now = state.read(folder)
    if now["accounting"] != "on":
        raise EndError(1, " You are not running a supported accounting_storage plugin")
    answer = queries.sacctmgr(now, arguments)
    if answer is None:
        raise EndError(1, f"sacctmgr: the fake does not know {arguments}")
    return answer


def parse_flags(arguments: list[str], flags: tuple[str, ...]) -> dict[str, str]:
    """`--name=value` by name; `flags` have no value. Anything else ends the command."""
    options: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not (equals or name in flags):
            raise EndError(1, f"unrecognized option '{argument}'")
        options[name] = value
    return options


_COMMANDS = {
    "sbatch": _sbatch,
    "squeue": _squeue,
    "sacct": _sacct,
    "scontrol": _scontrol,
    "scancel": _scancel,
    "sinfo": _sinfo,
    "sacctmgr": _sacctmgr,
    "sshare": _sshare,
}
