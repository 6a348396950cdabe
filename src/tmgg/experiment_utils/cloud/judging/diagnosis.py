"""Finds the kind of a failure from a result, an exit code and the ends of the logs. Pure."""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tmgg.experiment_utils.job.job_exit_codes import CANNOT_WRITE, NO_RAY
from tmgg.experiment_utils.run_folder.exit_record import ExitRecord
from tmgg.experiment_utils.run_folder.failures import Failure, FailureKind, HintName, failure
from tmgg.experiment_utils.run_folder.task import FILES, RESULT_PREFIX, TaskOutput
from tmgg.experiment_utils.some_names import some_of

EVIDENCE_LINES = 8
_DIVERGED = "tmgg.errors.DivergedError"
_IDLE_GPU = "tmgg.errors.IdleGpuError"
LOST_RANK = "RankLost"
"""The error type of a rank that was lost together with its supervisor."""
ABSENT_RANK = "RankAbsent"
"""The error type of a rank whose supervisor ended before the rank could begin."""
LATE_RANK = "RankLate"
"""The error type of a rank whose supervisor did not report in time."""
_SIGNALS = {member.value: member.name for member in signal.Signals}
# The exit code of the job script and of the experiment's process if they cannot write their files.
_CANNOT_WRITE = f"{CANNOT_WRITE}:0"
# slurmd's "signal" for a job whose output file it could not open (seen on 22.05 as 0:53 and 15:53).
_LOG_NOT_OPENED = ":53"


@dataclass(frozen=True, slots=True)
class LogTails:
    """The last parts of a job's logs; empty if a log was not read or does not exist."""

    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class _Pattern:
    kind: FailureKind
    expression: re.Pattern[str]
    hint: HintName | None = None


def _pattern(kind: FailureKind, expression: str, hint: HintName | None = None) -> _Pattern:
    return _Pattern(kind, re.compile(expression, re.IGNORECASE | re.MULTILINE), hint)


_CUDA = _pattern(
    "environment",
    r"not compiled with CUDA|no CUDA GPUs are available|no NVIDIA driver|libcuda\S* cannot open"
    r"|libcudart\S*: cannot open|no supported gpu backend|CUDA driver version is insufficient"
    r"|No CUDA runtime is found|requires a GPU|CUDAAccelerator can not run",
    "cuda",
)
_MEMORY = _pattern(
    "out_of_memory",
    r"CUDA out of memory|OutOfMemoryError|\bMemoryError\b|oom-kill|Out Of Memory"
    r"|exceeded (job )?memory limit|DefaultCPUAllocator: can't allocate memory|OOM Killed"
    r"|Cannot allocate memory",
)
# "slurmstepd-node1: error: ***" up to Slurm 24.11, "[2026-11-28T13:31:31.007] error: ***" in 26.05.
# The patterns also match within a line, because a progress bar does not end its line.
_SLURM_LINE = r"(slurmstepd\S*: |\[[0-9T:.+-]+\] )error: \*\*\* "
_MODULE = _pattern("environment", r"ModuleNotFoundError|No module named|ImportError")

_DISK = _pattern(
    "environment",
    r"No space left on device|Read-only file system|Disk quota exceeded|tmgg: cannot write to",
    "disk",
)

# Lightning's ddp launcher says this before it sends SIGKILL to all processes, its own one, too. A
# process that ended with -9 was killed itself.
_CHILD_DIED = re.compile(
    r"Child process with PID \d+ terminated with code (?!-9\b)-?\d+\. Forcefully terminating all"
)

# The job script itself looks for Ray; the managed bootstrap prints the same about one node.
_NO_RAY_SAID = _pattern(
    "environment",
    r"tmgg: (?:Ray did not start: \S+: )?(Ray (?:\S+ is too old|is not installed)\b.*)$",
    "no_ray",
)
_ABSENT = r"tmgg: Ray did not start: \S+: its supervisor ended before it could connect"
_NO_RAY_UNSAID = "Ray is not installed in the job's environment, or too old."

# The most reliable first: lines of Slurm's own daemons come first, guesses from tracebacks last.
_LOG_PATTERNS = (
    _pattern("out_of_memory", r"Detected \d+ oom.kill event|exceeded (job )?memory limit"),
    _pattern("timeout", rf"{_SLURM_LINE}.*DUE TO TIME LIMIT"),
    _pattern("preempted", rf"{_SLURM_LINE}.*DUE TO PREEMPTION"),
    _pattern("node_fail", rf"{_SLURM_LINE}.*DUE TO NODE FAILURE"),
    # Only if the whole job is cancelled: srun cancels a step if one of its tasks has died.
    _pattern(
        "cancelled",
        rf"{_SLURM_LINE}JOB \S+ ON \S+ CANCELLED AT \S+( DUE to SIGNAL \w+)? \*\*\*",
    ),
    _NO_RAY_SAID,
    _pattern("environment", r"tmgg: setup command failed"),
    _pattern("environment", r"python\S*: (command )?not found|ray: (command )?not found"),
    _DISK,
    _pattern("preempted", r"tmgg: restarted \d+ times", "restarts"),
    _pattern("node_fail", r"tmgg: .*\bsupervisor\b.* was killed", "ray_killed"),
    _pattern("node_fail", r"tmgg: \S+: Ray's (raylet|gcs_server) ", "ray_killed"),
    _pattern("node_fail", rf"{_ABSENT} \((?!Exited|Out Of Memory)", "ray_killed"),
    _MEMORY,
    _CUDA,
    _pattern("environment", rf"{_ABSENT} \(Exited", "absent_node"),
)
_RAY = _pattern(
    "ray_start",
    r"Timed out while waiting for GCS|Ray is already started|Timed out waiting for other nodes"
    r"|Failed to connect to GCS|failed to start the GCS|Unable to connect to GCS"
    r"|address already in use"
    r"|Session name .* does not match|RpcError|Failed to start|Timed out waiting for head node",
)


def diagnose_output(output: TaskOutput) -> Failure:
    """Why an experiment failed, from the result that it left."""
    found = _diagnose_output(output)
    if changed := changed_words(output.changed_script, output.changed_code):
        found = replace(found, hint=f"{found.hint} {changed}")
    if not output.rank or output.error_type in (ABSENT_RANK, LATE_RANK):
        return found
    # The run's logs do not hold the output of the other ranks.
    log = f"Its log: tmgg-jobs logs {output.run_id} --rank {output.rank}"
    return replace(found, message=f"{found.message}\n{log}")


def changed_words(script: str | None, code: Mapping[str, str]) -> str:
    """A sentence about files that were edited after the submission; empty if there are none.

    `script` and `code` are `changed_script` and `changed_code` of its result.
    """
    files = sorted(code) or ([] if script is None else [script])
    if not files:
        return ""
    were, each = ("was", "it as it was") if len(files) == 1 else ("were", "each as it was")
    return (
        f"{some_of(files)} {were} edited after the run was submitted; the run had {each} when the "
        "job imported it."
    )


def _diagnose_output(output: TaskOutput) -> Failure:
    error = _error_of(output)
    text = f"{error}\n{output.traceback or ''}"
    if output.status == "stopped":
        return diagnose_stop(output)
    message = _message(f"{_who(output)} raised", output)
    if output.status == "timeout":
        return failure("timeout", _words_of_own_limit(output), hint="own_limit")
    if output.stage == "rank":
        return _of_dead_rank(output)
    if output.stage == "ray":
        words = _message("The experiment could not reach Ray:", output)
        is_absent = output.error_message == "No module named 'ray'"
        return (
            failure("environment", words, hint="no_ray")
            if is_absent
            else failure("ray_start", words)
        )
    if output.stage == "result":
        return failure("bad_result", f"{output.error_message}")
    if output.stage == FILES:
        is_full = _DISK.expression.search(f"{output.error_message}")
        hint: HintName = "disk" if is_full else "outage"
        return failure("environment", f"{output.error_message}", hint=hint)
    if output.stage == "artifacts":
        return failure("artifacts", f"{output.error_message}")
    if output.error_type == _DIVERGED:
        return failure("diverged", f"{output.error_message}")
    if output.error_type == _IDLE_GPU:
        return failure("idle_gpu", f"The run was ended: {output.error_message}.")
    for pattern in (_MEMORY, _CUDA):
        if pattern.expression.search(error):
            return failure(pattern.kind, message, hint=pattern.hint)
    if output.stage == "load":
        return failure("environment", _message("The experiment could not be loaded:", output))
    if _MODULE.expression.match(error):
        return failure("environment", message)
    if _CUDA.expression.search(text):
        return failure("environment", message, hint="cuda")
    return failure("user_error", message)


def _words_of_own_limit(output: TaskOutput) -> str:
    words = f"{output.error_message}."
    return words if words.startswith("timeout_seconds") else f"timeout_seconds is over: {words}"


def _of_dead_rank(output: TaskOutput) -> Failure:
    """The failure of a rank that left no error itself; the last lines of its log are shown."""
    said = (output.traceback or "").splitlines()[-EVIDENCE_LINES:]
    words = "\n".join([f"{output.error_message}.", *said])
    if output.error_type == LOST_RANK:
        return failure("node_fail", words, hint="ray_killed")
    if output.error_type == LATE_RANK:
        return failure("node_fail", words, hint="late_node")
    if output.error_type == ABSENT_RANK:
        return failure("environment", words, hint="absent_node")
    if _MEMORY.expression.search(words):
        return failure("out_of_memory", words)
    return failure("user_error", words, hint=_hint_of_kill(words) if "SIGKILL" in words else None)


def _who(output: TaskOutput) -> str:
    if output.rank is None:
        return "The experiment"
    return f"The experiment in rank {output.rank} of {len(output.workers)} on {output.hostname}"


_STOP_KINDS: dict[str | None, FailureKind] = {
    "time_limit": "timeout",
    "preemption": "preempted",
}
_STOP_WORDS = {
    "time_limit": "its time limit was near",
    "preemption": "another job took its nodes",
}


def diagnose_stop(output: TaskOutput) -> Failure:
    """Why an experiment saved its state and stopped."""
    reason = output.stop_reason or ""
    kind = _STOP_KINDS.get(reason, "cancelled")
    why = _STOP_WORDS.get(reason, "somebody asked it to end")
    return failure(
        kind,
        f"It saved its state and ended because {why} ({output.error_message}).",
        hint="stopped",
    )


def diagnose_exit(
    record: ExitRecord | None, exit_code: str | None, state: str, logs: LogTails
) -> Failure:
    """Why a job without a result failed, from its stage, its logs and its exit code."""
    text = f"{logs.stderr}\n{logs.stdout}"
    stage = record.stage if record is not None else ""
    words = _words(record, exit_code, state, logs)
    for pattern in _LOG_PATTERNS:
        if found := pattern.expression.search(text):
            message = _with_cause_first(found[1], words) if pattern is _NO_RAY_SAID else words
            return failure(pattern.kind, message, hint=pattern.hint)
    if record is not None and record.exit_code == NO_RAY and stage != "entrypoint":
        return failure("environment", _with_cause_first(_NO_RAY_UNSAID, words), hint="no_ray")
    if stage in ("setup", "preflight"):
        return failure("environment", words)
    if _CANNOT_WRITE in (exit_code, record and f"{record.exit_code}:0"):
        return failure("environment", words, hint="disk")
    if stage == "ray" or (stage != "entrypoint" and _RAY.expression.search(text)):
        return failure("ray_start", words)
    killed = _hint_of_kill(text) if "SIGKILL" in words.partition("\n")[0] else None
    if record is None and (exit_code or "").endswith(_LOG_NOT_OPENED):
        return failure("environment", words, hint="log_folder")
    if record is None:
        return failure("lost", words, hint=killed)
    return failure("user_error", words, hint=killed)


def _hint_of_kill(said: str) -> HintName:
    """The hint for SIGKILL, given what the logs say."""
    return "child_died" if _CHILD_DIED.search(said) else "killed"


def _with_cause_first(cause: str, words: str) -> str:
    """The cause is the first line, because some displays show only the first line."""
    return "\n".join([cause, *(line for line in words.splitlines() if cause not in line)])


def _message(what: str, output: TaskOutput) -> str:
    lines = (output.traceback or _error_of(output)).splitlines()
    return "\n".join([f"{what} {_error_of(output)}", *lines[-EVIDENCE_LINES:]])


def _error_of(output: TaskOutput) -> str:
    """The error as Python writes it: only the class if there is no message."""
    return f"{output.error_type}: {output.error_message}".removesuffix(": ")


_STAGES = {
    "begin": "The job ended before it could begin the run",
    "restart": "The job was started again too often",
    "setup": "A setup command ended the job",
    "preflight": "The environment of the node is not what the run needs",
    "ray": "Ray did not start the experiment",
    "entrypoint": "The experiment's process died before it could leave a result",
    "": "The job ended without leaving a result or an exit record",
}


def _words(record: ExitRecord | None, exit_code: str | None, state: str, logs: LogTails) -> str:
    stage = record.stage if record is not None else ""
    what = _STAGES.get(stage, _STAGES[""])
    facts = [f"state {state}"] if state else []
    if record is not None:
        facts.append(_exit_words(record.exit_code))
    elif exit_code:
        facts.append(_slurm_exit_words(exit_code))
    said = [line for line in logs.stderr.splitlines() if line.strip()][-EVIDENCE_LINES:]
    return "\n".join([f"{what} ({', '.join(facts)})." if facts else f"{what}.", *said])


def _slurm_exit_words(exit_code: str) -> str:
    """Slurm's `code:signal` in words."""
    number = exit_code.partition(":")[2]
    if number.isdigit() and int(number) in _SIGNALS:
        return f"exit code {exit_code}: killed by {_SIGNALS[int(number)]}"
    return f"exit code {exit_code}"


def _exit_words(code: int) -> str:
    number = code - 128
    if code > 128 and number in _SIGNALS:
        return f"exit code {code}: killed by {_SIGNALS[number]}"
    return f"exit code {code}"


def find_evidence(logs: LogTails) -> list[str]:
    """The last `EVIDENCE_LINES` different log lines that tell why a job failed."""
    lines = [*logs.stdout.splitlines(), *logs.stderr.splitlines()]
    telling = [
        line
        for line in lines
        if RESULT_PREFIX not in line
        and any(pattern.expression.search(line) for pattern in (*_LOG_PATTERNS, _RAY, _MODULE))
    ]
    return list(dict.fromkeys(telling))[-EVIDENCE_LINES:]
