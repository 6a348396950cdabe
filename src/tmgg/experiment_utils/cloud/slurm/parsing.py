"""Parsers of Slurm's answers. Pure: for any text, they return a value or raise QueryError."""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tmgg.errors import QueryError

log = logging.getLogger(__name__)

# sbatch --parsable prints "id" or "id;cluster"; banners of login scripts may surround it.
_SUBMITTED = re.compile(r"(?P<id>[1-9][0-9]{0,9})(;(?P<cluster>[A-Za-z0-9_.-]+))?")

# The elements of an array that one line is about: 1302_[1,3,6-99%4]. 6-98:2 is a range with a step.
_ELEMENTS = re.compile(
    r"(?P<array>[1-9][0-9]{0,9})_(\[(?P<list>[0-9,:-]+)(%[0-9]+)?\]|(?P<one>[0-9]+))"
)
_RANGE = re.compile(r"(?P<first>[0-9]{1,7})(-(?P<last>[0-9]{1,7})(:(?P<step>[1-9][0-9]{0,6}))?)?")
# Slurm's own limit on an array's index.
_LARGEST_INDEX = 4_000_000
JOB_ID = re.compile(r"[0-9]+(_[0-9]+)?")
"""A job, or one element of an array: what TMGG asks about."""

_PATHS = ("Command", "WorkDir", "StdErr", "StdIn", "StdOut")
# What `scontrol show job` prints after its Command, in Slurm 21.08 to 26.05.
_AFTER_PATHS = frozenset((
    "SubmitLine", "WorkDir", "AdminComment", "SystemComment", "Comment", "Extra", "StdErr", "StdIn",
    "StdOut", "SegmentSize", "SpreadSegments", "ConsolidateSegments", "Switches", "BurstBuffer",
    "BurstBufferState", "GresAllowTaskSharing", "GresEnforceBind", "GresOneTaskPerSharing",
    "KillOInInvalidDependent", "KillOnInvalidDependent", "SpreadJob", "ExpeditedRequeue",
    "OOMKillStep", "CpusPerTres", "MemPerTres", "TresBind", "TresFreq", "TresPerJob", "TresPerNode",
    "TresPerSocket", "TresPerTask", "MailUser", "MailType", "NtasksPerTRES", "Container",
    "ContainerID", "ContainerType", "SELinuxContext", "ResvPorts", "Power",
))  # fmt: skip

QUEUE_SEPARATOR = "|"
QUEUE_FIELDS = (
    "JobID", "JobArrayID", "State", "Reason", "RestartCnt", "exit_code", "StartTime", "NodeList",
    "SubmitTime", "UserID", "Comment",
)  # fmt: skip
SCRIPT_FIELDS = ("JobArrayID", "Command")
_QUEUE_HEADER = "JOBID"
ACCOUNTING_FIELDS = (
    "JobID", "JobIDRaw", "State", "ExitCode", "DerivedExitCode", "NodeList", "Submit", "SubmitLine",
)  # fmt: skip
# TMGG cannot do without these fields; a release of sacct may lack the others.
NEEDED_ACCOUNTING_FIELDS = ("JobID", "JobIDRaw", "State", "ExitCode")
_UNKNOWN_FIELD = re.compile(r"Invalid field requested: \"(?P<name>\w+)\"")
ACCOUNTING_SEPARATOR = "\x1f"


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueEntry:
    """One job of `squeue --states=all`."""

    job_id: str
    array_id: str
    """`123`, `123_4`, or `123_[5-7]` for elements that have not begun."""
    state: str
    reason: str
    restarts: int | None
    """None if Slurm's text is not a number."""
    exit_code: str | None
    """`code:signal`; None if Slurm's text is neither that nor a wait status."""
    start_time: str
    nodes: str
    submit_time: str
    user_id: int | None
    comment: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountingEntry:
    """One job in sacct's answer, with what its steps say."""

    job_id: str
    state: str
    exit_code: str
    """`code:signal`."""
    nodes: str
    submit_line: str
    submit_time: str = ""
    step_states: tuple[str, ...] = ()
    out_of_memory: bool = False
    """Whether a step was killed for memory; the job's own state may not say so."""


def parse_submitted(stdout: str) -> str | None:
    """The job id in sbatch's answer; None if there is not exactly one.

    A banner may have another number (a year, a ticket); then the caller must look the job up.
    """
    lines = [line.strip() for line in stdout.splitlines()]
    found = {match["id"] for line in lines if (match := _SUBMITTED.fullmatch(line))}
    return found.pop() if len(found) == 1 else None


def parse_cluster_of_submitted(stdout: str) -> str | None:
    """The cluster that sbatch's answer names; None if it names none. A site may have several."""
    lines = [line.strip() for line in stdout.splitlines()]
    found = {match["cluster"] for line in lines if (match := _SUBMITTED.fullmatch(line))}
    return found.pop() if len(found) == 1 else None


def parse_queue(stdout: str) -> list[QueueEntry]:
    """The jobs in squeue's answer; lines that are not about a job (banners) are skipped.

    Raises QueryError for an incomplete answer: it has no header, ends within a line, or has a row
    that is cut. A job that is missing in such an answer may still exist.
    """
    before, header, rows = _split_at_header(stdout)
    if not header or not stdout.endswith("\n"):
        said = (before or rows).strip()
        raise QueryError(f"squeue's answer is cut or empty: {said[-200:]!r}")
    return [entry for line in rows.splitlines() if (entry := _queue_entry(line)) is not None]


def parse_scripts(stdout: str) -> list[tuple[str, str]]:
    """Job and script of each line in squeue's answer with SCRIPT_FIELDS.

    Raises QueryError if there is no header: only the header shows that squeue answered.
    """
    separator = QUEUE_SEPARATOR
    lines = [line.removesuffix(separator).partition(separator) for line in stdout.splitlines()]
    header = [number for number, cells in enumerate(lines) if cells[0] == _QUEUE_HEADER]
    if not header:
        raise QueryError(f"squeue's answer is cut or empty: {stdout.strip()[-200:]!r}")
    return [(job, script) for job, _, script in lines[header[0] + 1 :] if job[:1].isdigit()]


def _split_at_header(stdout: str) -> tuple[str, str, str]:
    """The text before the header, the header, the text after it; both texts may have banners."""
    lines = stdout.splitlines(keepends=True)
    for number, line in enumerate(lines):
        cells = [cell.strip() for cell in line.split(QUEUE_SEPARATOR)]
        if cells[0] == _QUEUE_HEADER and len(cells) > len(QUEUE_FIELDS):
            return "".join(lines[:number]), line, "".join(lines[number + 1 :])
    return stdout, "", ""


def unknown_field(words: str) -> str | None:
    """The field of which sacct says that it does not know it; None if it says so of none."""
    found = _UNKNOWN_FIELD.search(words)
    return found["name"] if found else None


def parse_accounting(
    stdout: str, fields: Sequence[str] = ACCOUNTING_FIELDS
) -> list[AccountingEntry]:
    """The jobs in sacct's answer, in its order, each with what its steps say.

    `fields` are the columns of the answer; other columns of ACCOUNTING_FIELDS are empty.
    """
    jobs: dict[str, AccountingEntry] = {}
    steps: dict[str, list[list[str]]] = {}
    for line in stdout.split("\n"):
        given = line.split(ACCOUNTING_SEPARATOR)
        if len(given) != len(fields):
            continue
        row = dict(zip(fields, given, strict=True))
        cells = [row.get(name, "") for name in ACCOUNTING_FIELDS]
        shown, raw, state, exit_code, _derived, nodes, submit_time, submit_line = cells
        number, dot, _step = raw.partition(".")
        if not number.isascii() or not number.isdigit():
            continue
        # An element has its place in the array (`77_3`) as its key, any other job its number. In a
        # list of elements that was cut (`77_[1,...]`) the dots do not mark a step.
        name = shown if "[" in shown else shown.partition(".")[0]
        job = name if "[" in name or _ELEMENTS.match(name) else number
        steps.setdefault(job, []).append(cells)
        if not dot and shown:
            jobs[job] = AccountingEntry(
                job_id=job,
                state=state,
                exit_code=exit_code,
                nodes=nodes,
                submit_line=submit_line,
                submit_time=submit_time,
            )
    return [_with_steps(entry, steps[job]) for job, entry in jobs.items()]


def parse_exit_code(text: str) -> str | None:
    """Squeue's exit code as Slurm writes it elsewhere: `code:signal`. None for any other text.

    Up to Slurm 22.05 squeue prints the raw wait status (1792 is exit code 7, 9 is signal 9), from
    24.11 on `7:0`.
    """
    if re.fullmatch(r"[0-9]{1,3}:[0-9]{1,3}", text):
        return text
    if not re.fullmatch(r"[0-9]{1,9}", text):
        return None
    status = int(text)
    return f"{status >> 8 & 0xFF}:{status & 0x7F}"


def parse_cluster(text: str) -> str | None:
    """The cluster's name in `scontrol show config`."""
    found = re.search(r"^ClusterName\s*=\s*(\S+)\s*$", text, re.MULTILINE)
    return found[1] if found and found[1] != "(null)" else None


def parse_key_values(text: str) -> dict[str, str]:
    """The first record of `scontrol --oneliner show ...`: `Key=Value Key=Value with spaces ...`.

    A path may contain text that looks like a key (` lr=0.1/`), so a path ends only at a key that
    Slurm prints after it.
    """
    line = next((line for line in text.splitlines() if "=" in line), "")
    starts: list[re.Match[str]] = []
    for found in re.finditer(r"(?:^|\s)([A-Za-z][A-Za-z0-9_:/]*)=", line):
        in_path = bool(starts) and starts[-1].group(1) in _PATHS
        if not in_path or found.group(1) in _AFTER_PATHS:
            starts.append(found)
    ends = [*(match.start() for match in starts[1:]), len(line)]
    return {
        match.group(1): line[match.end() : end].strip()
        for match, end in zip(starts, ends, strict=False)
    }


def parse_elements(array_id: str) -> list[str]:
    """The ids of all jobs that `123`, `123_4` or `123_[5-7,9%2]` stands for.

    A list that Slurm cut (`123_[1,3,...]`) stands for the elements that it still names.
    """
    text = re.sub(r",?\.\.\.", "", array_id)
    found = _ELEMENTS.fullmatch(text)
    if not found:
        return [array_id]
    ranges = found["list"] or found["one"]
    return [f"{found['array']}_{index}" for item in ranges.split(",") for index in _indices(item)]


def _indices(item: str) -> range:
    found = _RANGE.fullmatch(item)
    if not found:
        return range(0)
    first = int(found["first"])
    last = min(int(found["last"] or first), _LARGEST_INDEX)
    return range(first, last + 1, int(found["step"] or 1))


def render_elements(job_ids: Iterable[str]) -> list[str]:
    """The jobs as few arguments for Slurm: an array's elements are one argument, `123_[0-4,7]`."""
    arrays: dict[str, list[int]] = {}
    words = []
    for job_id in job_ids:
        array, underscore, index = job_id.partition("_")
        if underscore:
            arrays.setdefault(array, []).append(int(index))
        else:
            words.append(job_id)
    return words + [f"{array}_{render_indices(indices)}" for array, indices in arrays.items()]


def render_indices(indices: Iterable[int]) -> str:
    """The indices as `[0-4,7]`; a single index has no brackets."""
    runs: list[list[int]] = []
    for index in sorted(set(indices)):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
    return text if text.isdigit() else f"[{text}]"


def check_answer(stdout: str, *, command: str) -> str:
    """`stdout` itself. Raises QueryError if it is binary data (has a NUL byte)."""
    if "\0" in stdout:
        raise QueryError(f"{command} answered with binary data; TMGG concludes nothing from it")
    return stdout


def _queue_entry(line: str) -> QueueEntry | None:
    cells = line.split(QUEUE_SEPARATOR, maxsplit=len(QUEUE_FIELDS) - 1)
    if len(cells) != len(QUEUE_FIELDS):
        if len(cells) > 1 and re.fullmatch(r"[0-9]+", cells[0].strip()):
            raise QueryError(f"squeue's answer has a row that is cut: {line[:200]!r}")
        return None  # a banner, or the second line of a job's comment
    job_id, array_id, state, reason, restarts, status, start, nodes, submitted, user, comment = (
        cell.strip() for cell in cells
    )
    if not (job_id.isascii() and job_id.isdigit() and state):
        return None
    return QueueEntry(
        job_id=job_id,
        array_id=array_id,
        state=state,
        reason=_known(reason),
        restarts=_count(restarts, what=f"restart count of job {job_id}"),
        exit_code=parse_exit_code(status),
        start_time=_known(start),
        nodes=_known(nodes),
        submit_time=_known(submitted),
        user_id=_parse_user_id(user, job_id=job_id),
        comment=_known(comment.rstrip(QUEUE_SEPARATOR)),
    )


def _with_steps(entry: AccountingEntry, rows: list[list[str]]) -> AccountingEntry:
    states = tuple(row[2] for row in rows if "." in row[1])
    # 0:125 is how Slurm marks an out-of-memory kill in exit codes.
    memory = any("OUT_OF_ME" in row[2] or "0:125" in (row[3], row[4]) for row in rows)
    return replace(entry, step_states=states, out_of_memory=memory)


def _parse_user_id(text: str, *, job_id: str) -> int | None:
    """Up to Slurm 23 squeue prints the 32 bits of an id above 2^31 as a negative number."""
    is_wrapped = re.fullmatch(r"-[0-9]{1,10}", text, re.ASCII) is not None
    unsigned = str(int(text) % 2**32) if is_wrapped else text
    return _count(unsigned, what=f"user of job {job_id}")


def _count(text: str, *, what: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) < 11:
        return int(text)
    log.warning("Slurm's %s is not a number: %.100r; it does not count as 0", what, text)
    return None


def _known(text: str) -> str:
    return "" if text in ("", "N/A", "None", "(null)", "None assigned", "Unknown") else text
