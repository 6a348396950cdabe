"""What the fake's squeue, sacct and scontrol print about jobs."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # importing typing would take a third of a command's time
if TYPE_CHECKING:
    from typing import Any

    State = dict[str, Any]
    Job = dict[str, Any]


HEADERS = {"JobArrayID": "JOBID", "SubmitTime": "SUBMIT_TIME", "UserID": "UID"}
_NO_SUCH_JOB = "slurm_load_jobs error: Invalid job id specified"
_ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY")


class QueryError(Exception):
    """The command's words; it ends with 1."""


def squeue(now: State, options: dict[str, str]) -> str:
    """`squeue [--all] --array --states=all (--jobs=|--user=) --Format=`."""
    expected = {"--array", "--states", "--Format"}
    if set(options) - {"--jobs", "--user", "--all"} != expected or options["--states"] != "all":
        raise QueryError(f"squeue: the fake does not know {sorted(options)}")
    known = [job for job in now["jobs"].values() if job["in_queue"]]
    if "--user" in options:
        own = [job for job in known if str(job["uid"]) == options["--user"]]
        chosen = [job for job in own if "--all" in options or not _is_hidden(now, job)]
    else:
        chosen = _by_id(known, options["--jobs"])
    columns = [column.partition(":") for column in options["--Format"].split(",")]
    lines = [element for job in chosen for element in _elements(job)]
    header = "".join(HEADERS.get(name, name.upper()) + suffix for name, _, suffix in columns)
    rows = ("".join(_cell(job, name) + suffix for name, _, suffix in columns) for job in lines)
    return "".join(f"{line}\n" for line in (header, *rows))


def is_hidden(now: State, partition: str) -> bool:
    """Whether only questions with --all show the partition, and what is in it."""
    return bool(now["partition_settings"].get(partition, {}).get("Hidden") == "YES")


def _is_hidden(now: State, job: Job) -> bool:
    names = job["options"].get("partition", now["partitions"][0]).split(",")
    return all(is_hidden(now, name) for name in names)


def _elements(job: Job) -> list[Job]:
    """A job array's elements, none of which has begun; they share the array's number."""
    array = job["options"].get("array")
    if array is None:
        return [job]
    first, _, last = array.partition("%")[0].partition("-")
    indices = [index for index in range(int(first), int(last) + 1) if index not in job["taken_out"]]
    return [job | {"array_id": f"{job['id']}_{index}"} for index in indices]


def _by_id(known: list[Job], ids: str) -> list[Job]:
    wanted = ids.split(",")
    for job_id in wanted:
        if not job_id.isdigit():
            raise QueryError(f"squeue: error: Invalid job id: {job_id}")
    found = [job for job in known if job["id"] in wanted]
    # Only a question about a single unknown job is an error.
    if not found and len(wanted) == 1:
        raise QueryError(_NO_SUCH_JOB)
    return found


def _cell(job: Job, name: str) -> str:
    ended = job["state"] in _ENDED
    cells = {
        "JobID": job["id"],
        "JobArrayID": job.get("array_id", job["id"]),
        "State": job["state"],
        "Reason": job["reason"],
        "RestartCnt": str(job["restarts"]),
        "exit_code": str(job["exit_status"] if ended else 0),
        "StartTime": job["start_time"] or "N/A",
        "NodeList": job["nodes"],
        "SubmitTime": job["submit_time"],
        "UserID": str(job["uid"]),
        "Comment": job["comment"] or "(null)",
        "Command": job["script"],
    }
    if name not in cells:
        raise QueryError(f"squeue: error: Invalid job format specification: {name}")
    return str(cells[name])


def sacct(now: State, options: dict[str, str]) -> str:
    """`sacct --noheader --parsable2 --delimiter= --format= (--jobs=|--user= --starttime=)`."""
    rows = []
    for job_id in options.get("--jobs", "0").split(","):
        if not job_id.isdigit():
            raise QueryError(f"sacct: fatal: Bad job/step specified: {job_id}")
    for job in now["jobs"].values():
        if not job["in_accounts"]:
            continue
        if "--jobs" in options and job["id"] not in options["--jobs"].split(","):
            continue
        if "--user" in options and str(job["uid"]) != options["--user"]:
            continue
        rows += _rows(now, job, options["--format"].split(","))
    return "".join(options["--delimiter"].join(row) + "\n" for row in rows)


def _rows(now: State, job: Job, columns: list[str]) -> list[list[str]]:
    exit_code = f"{job['exit_status'] >> 8}:{job['exit_status'] & 127}"
    state = job["state"]
    if state == "CANCELLED":
        state = f"CANCELLED by {job.get('cancelled_by', os.getuid())}"
    cells = {
        "JobID": _in_accounts(job),
        "JobIDRaw": job["id"],
        "State": state,
        "ExitCode": exit_code,
        "DerivedExitCode": "0:0",
        "NodeList": job["nodes"] or "None assigned",
        "Submit": job["submit_time"],
        "SubmitLine": job["submit_line"],
    }
    for field in now["accounting_lacks"]:
        del cells[field]
    rows = [cells]
    for name, step_state, step_code in job["steps"]:
        step = {"JobID": f"{job['id']}.{name}", "JobIDRaw": f"{job['id']}.{name}"}
        rows.append(dict.fromkeys(cells, "") | step | {"State": step_state, "ExitCode": step_code})
    unknown = [column for column in columns if column not in cells]
    if unknown:
        raise QueryError(f'sacct: fatal: Invalid field requested: "{unknown[0]}"')
    return [[row[column] for column in columns] for row in rows]


def _in_accounts(job: Job) -> str:
    """An array is a line with those of its elements that have not begun, and the throttle."""
    array = job["options"].get("array")
    if array is None:
        return str(job["id"])
    indices = [element["array_id"].partition("_")[2] for element in _elements(job)]
    throttle = array.partition("%")[2]
    return f"{job['id']}_[{','.join(indices)}{f'%{throttle}' if throttle else ''}]"


def sacctmgr(now: State, arguments: list[str]) -> str | None:
    """What it shows of accounts, qualities of service and clusters; None for another question."""
    accounts = now["accounts"]
    match arguments:
        case ["--noheader", "--parsable2", "show", "assoc", _, "format=account"]:
            lines = list(accounts)
        case ["--noheader", "--parsable2", "show", "assoc", _, "format=qos"]:
            lines = [",".join(now["qualities"])]
        case ["--parsable2", "show", "assoc", _]:
            qos = ",".join(now["qualities"])
            rows = [f"{now['cluster']}|{name}||{qos}|" for name in accounts]
            lines = ["Cluster|Account|Partition|QOS|MaxWall", *rows]
        case ["--parsable2", "show", "qos"]:
            lines = ["Name|MaxWall|MaxSubmitPU"]
            lines += [f"{name}||{most}" for name, most in now["qualities"].items()]
        case ["--parsable2", "show", "user", _, "format=DefaultAccount"]:
            lines = ["Def Acct", *accounts[:1]]
        case ["--parsable2", "show", "clusters", "format=Cluster"]:
            lines = ["Cluster", now["cluster"], *now["other_clusters"]]
        case _:
            return None
    return "".join(f"{line}\n" for line in lines)


def _stdout(job: Job) -> str:
    given = job["options"].get("output", "slurm-%j.out")
    return f"{job['cwd']}/{given}" if job["cwd"] and given[0] != "/" else str(given)


def scontrol_job(now: State, job_id: str) -> str:
    """`scontrol --oneliner show job`."""
    job = now["jobs"].get(job_id)
    if job is None or not job["in_queue"]:
        raise QueryError(_NO_SUCH_JOB)
    return (
        f"JobId={job['id']} JobName={job['name']} UserId=alice({job['uid']}) "
        f"JobState={job['state']} Reason={job['reason']} Dependency=(null) "
        f"Restarts={job['restarts']} NodeList={job['nodes']} Command={job['script']} "
        f"WorkDir={job['cwd']} StdOut={_stdout(job)} Comment={job['comment']}  Power= \n"
    )
