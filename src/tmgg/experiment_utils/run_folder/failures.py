"""Why a run failed: a kind, a message, and a hint about what to do."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

from tmgg.experiment_utils.error_text import bounded
from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.run_folder.records import parse_fields

FailureKind = Literal[
    "user_error",
    "out_of_memory",
    "timeout",
    "preempted",
    "node_fail",
    "cancelled",
    "not_started",
    "ray_start",
    "environment",
    "submission",
    "diverged",
    "bad_result",
    "artifacts",
    "idle_gpu",
    "lost",
]
FAILURE_KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
CloserHint = Literal[
    "disk",
    "outage",
    "killed",
    "child_died",
    "ray_killed",
    "signalled",
    "unstarted",
    "log_folder",
    "stopped",
    "restarts",
    "removed",
    "cuda",
    "reason_given",
    "own_limit",
    "no_ray",
    "absent_node",
    "late_node",
]
HintName = FailureKind | CloserHint
"""A kind of failures, or a more specific cause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a run failed."""

    kind: FailureKind
    message: str
    """What happened, in one or a few lines; the evidence comes last."""
    hint: str
    """What to do about it."""

    def to_json(self) -> JsonDict:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JsonDict, *, what: str = "failure") -> "Failure":
        return parse_fields(cls, value, what=what)


HINTS: dict[HintName, str] = {
    "user_error": "The experiment failed by itself. What is known of it is above; the .out and "
    ".err files have all that it printed. In a Hydra app, hydra/launcher=basic tries the same "
    "config here.",
    "out_of_memory": "Give the run more memory, or reduce the batch size.",
    "timeout": "Raise timeout_seconds, or let the experiment save checkpoints and go on from them "
    "with tmgg-jobs retry.",
    "preempted": "Submit again (tmgg-jobs retry).",
    "node_fail": "A node died; nothing is wrong with the experiment. Submit again (tmgg-jobs "
    "retry).",
    "cancelled": "Somebody cancelled the job. tmgg-jobs retry submits it again.",
    "not_started": "Its turn did not come; nothing is wrong with the experiment. Submit it again "
    "(resume the sweep, or tmgg-jobs retry).",
    "ray_start": "Ray did not come up; its own words are in the .err file.",
    "environment": "The environment of the job is not what the run needs. Install in it what "
    "the message names.",
    "submission": "The run was not submitted; the message above says why. Correct what it names, "
    "if anything, then submit again (tmgg-jobs retry).",
    "diverged": "The loss or a gradient became NaN or infinite. Lower the learning rate "
    "(trainer.learning_rate) or clip gradients harder (trainer.clip_norm) and submit a new "
    "run; a retry would diverge again. The best earlier weights are in checkpoints/best.ckpt.",
    "bad_result": "Look for the TMGG_RESULT: line and Python exceptions in the .out and .err "
    "files; the experiment must return a mapping of names to numbers.",
    "artifacts": "The experiment completed and its metrics are kept, but its files did not all"
    " arrive. Check that the run can write to artifact_url (credentials, bucket), then "
    "tmgg-jobs retry: files that have arrived are not sent again.",
    "idle_gpu": "The option idle_gpu_minutes ended the run, because its GPUs were idle. The "
    "logs may say what it waited for: slow data, a lock, another rank. If it needs no GPU, ask"
    " for none.",
    "lost": "No source knows the job any more, and it left no record. Look into the .out and "
    ".err files, then tmgg-jobs retry.",
    "removed": "Its files are gone. Resume the sweep (resume=True) to run it again.",
    "no_ray": "The job's environment has no Ray, or one that is too old. Install it there (the "
    "message says how), then tmgg-jobs retry.",
    "disk": "The folder of the run's files could not be written. Make room on that disk or in your "
    "quota, or set output_dir to another folder that all nodes share; then tmgg-jobs retry.",
    "outage": "The file system did not let the job write its files, for longer than outages last. "
    "Nothing is wrong with the experiment: tmgg-jobs retry submits it again.",
    "killed": "A person, the system, or the kernel when memory runs out may send SIGKILL; so may "
    "the experiment, or a library that found one of its processes dead. TMGG does not know which; "
    "dmesg and the end of the .err file may say it. tmgg-jobs retry submits the run again.",
    "child_died": "Lightning started several processes. One of them ended with the code above, so "
    "Lightning ended the others by SIGKILL. The error of that process is in the .err or .out file. "
    "Mend it, then tmgg-jobs retry.",
    "ray_killed": "Something killed a process of Ray or of TMGG on a node: look for an "
    "out-of-memory kill (dmesg), and into ray_logs/ of the run. Then submit it again "
    "(tmgg-jobs retry).",
    "absent_node": "A process of TMGG could not begin on a node of the job; its own words are in "
    "the .err file. Look whether that node sees the environment and the output folder.",
    "late_node": "A process of TMGG on a node of the job did not reach the first node in time. "
    "Look whether the node is slow, or a firewall is between the nodes.",
    "signalled": "Somebody sent the signal. tmgg-jobs retry submits it again.",
    "unstarted": "The system did not let the process start; its own words are above. Mend the "
    "cause (disk space, memory, the limit of processes, a ~/.tmgg or TMGG_HOME that cannot be "
    "written), then tmgg-jobs retry.",
    "log_folder": "The node could not open the log file: the output folder does not exist "
    "there, or cannot be written there. Set output_dir to a folder that all nodes share.",
    "stopped": "Its state is saved: tmgg-jobs retry goes on from there.",
    "restarts": "The .err file may say why it was started so often. Then tmgg-jobs retry.",
    "own_limit": "It is the experiment's own limit. Raise timeout_seconds, or let the experiment "
    "save checkpoints and go on from them with tmgg-jobs retry.",
    "reason_given": "The reason is above. To run it all the same, resume the sweep, or use "
    "tmgg-jobs retry.",
    "cuda": "CUDA was not found. Ask for a GPU.",
}
"""What to do, in words that fit every backend; a backend may have more specific hints."""


def failure(kind: FailureKind, message: str, *, hint: HintName | None = None) -> Failure:
    """A failure with the hint that is named, else with its kind's hint."""
    return Failure(kind=kind, message=bounded(message), hint=HINTS[hint or kind])


def not_started(why: str) -> Failure:
    """The failure of a run that was cancelled before it began, with the reason on record."""
    return failure("cancelled", f"It was not started: {why}.", hint="reason_given")


def has_reason_elsewhere(why: Failure) -> bool:
    """Whether the run was cancelled for a reason outside of it, such as failures of other runs."""
    return why.hint == HINTS["reason_given"]


def in_words_of(why: Failure, hints: Mapping[HintName, str]) -> Failure:
    """The failure with the backend's hint in place of the general one, if the backend has one.

    Failures are also read from records, which contain the hint's text and not its name.
    """
    for name, words in hints.items():
        if why.hint.startswith(HINTS[name]):
            return replace(why, hint=words + why.hint.removeprefix(HINTS[name]))
    return why


def is_outage(why: Failure | None) -> bool:
    """Whether only the file system failed, so nothing is known against this run or the others."""
    return why is not None and why.hint == HINTS["outage"]
