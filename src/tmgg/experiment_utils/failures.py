"""Why a run failed, in one word, in a sentence, and what to do about it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from tmgg.experiment_utils.atomic_file import JsonDict
from tmgg.experiment_utils.records import parse_fields

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
    "bad_result",
    "artifacts",
    "lost",
]
FAILURE_KINDS: tuple[FailureKind, ...] = get_args(FailureKind)


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a run failed."""

    kind: FailureKind
    message: str
    """What happened, in one or a few lines; ends with the evidence."""
    hint: str
    """What to do about it."""

    def to_json(self) -> JsonDict:
        return asdict(self)

    @classmethod
    def from_json(cls, value: JsonDict, *, what: str = "failure") -> "Failure":
        return parse_fields(cls, value, what=what)


HINTS: dict[FailureKind, str] = {
    "user_error": "The experiment failed by itself. Read the traceback in the .err file; the same "
    "config runs locally with hydra/launcher=basic.",
    "out_of_memory": "Increase slurm_mem_per_cpu (for example 8GB or 16GB), ask for more CPUs per "
    "task, or reduce the batch size.",
    "timeout": "Raise slurm_time_limit and timeout_seconds together; leave 10 to 15 minutes of the "
    "time limit for Ray to start on 4 or more nodes.",
    "preempted": "Submit again (tmgg-jobs retry), use a partition that does not preempt, or let "
    "Slurm requeue with slurm_requeue=true.",
    "node_fail": "A node died; nothing is wrong with the experiment. Submit again (tmgg-jobs "
    "retry); slurm_exclude keeps a bad node out.",
    "cancelled": "Somebody cancelled the job. tmgg-jobs retry submits it again.",
    "not_started": "Its turn did not come; nothing is wrong with the experiment. Submit it again "
    "(resume the sweep, or tmgg-jobs retry), with a longer slurm_time_limit, more slurm_nodes or "
    "more slurm_runs_per_node.",
    "ray_start": "Ray did not come up. Check that the nodes reach each other on Ray's ports (srun "
    "--nodes=1 ping -c 1 <other_node>), that no other Ray holds the ports (slurm_ray_port, "
    "slurm_min_worker_port, slurm_max_worker_port), and Ray's own words in the .err file.",
    "environment": "The environment of the compute node is not what the run needs. Set "
    "slurm_setup_commands (for example 'source ~/.bashrc', 'conda activate tmgg') and try them "
    "with srun on a node.",
    "submission": "The scheduler did not take the job; its own words are above. Correct the "
    "option and submit again.",
    "bad_result": "Look for the TMGG_RESULT: line and Python exceptions in the .out and .err "
    "files; the experiment must return a mapping of names to numbers.",
    "artifacts": "The experiment completed and its metrics are kept; its files are not where they "
    "should be. See that artifact_url can be written to from where the run runs (credentials, "
    "bucket), then tmgg-jobs retry: what has arrived is not sent again.",
    "lost": "No source knows the job any more and it left no record. Look into the .out and .err "
    "files and sacct, then tmgg-jobs retry.",
}
DISK_HINT = (
    "The folder of the run's files could not be written. Make room on that disk or in your quota, "
    "or set output_dir to another folder that all nodes share; then tmgg-jobs retry."
)
KILLED_HINT = (
    "SIGKILL comes from outside: mostly from a node that ran out of memory (raise "
    "slurm_mem_per_cpu), else from a person or the site. tmgg-jobs retry submits it again."
)
UNSTARTED_HINT = (
    "The system did not let the process start; its own words are above. See to that (room on the "
    "disk, memory, the limit of processes, a writable ~/.tmgg or TMGG_HOME), then tmgg-jobs retry."
)
LOG_FOLDER_HINT = (
    "The node could not open the log file: the output folder is not there, or not writable, on it. "
    "Set slurm_output_dir to a folder on the file system that all nodes share (tmgg-jobs doctor "
    "tries it)."
)
STOPPED_HINT = (
    "Its state is saved: tmgg-jobs retry goes on from there. To have that done by itself, let "
    "Slurm requeue it (slurm_requeue=true) and raise slurm_max_restarts if they are used up."
)
RESTARTS_HINT = (
    "See in the .err file why it was started so often; then raise slurm_max_restarts, or go on "
    "with tmgg-jobs retry."
)
CUDA_HINT = (
    "CUDA was not found. Add the module load to slurm_setup_commands (for example 'module load "
    "cuda/12.1'; 'module avail cuda' lists them) and ask for a GPU with slurm_gpus_per_task."
)


def failure(kind: FailureKind, message: str, *, hint: str | None = None) -> Failure:
    """A failure with its kind's hint unless a closer one is given."""
    return Failure(kind=kind, message=message, hint=hint or HINTS[kind])


def hints_instead(by_kind: Mapping[FailureKind, str], closer: Mapping[str, str]) -> dict[str, str]:
    """Hints of a backend by those they replace: of a kind, or a closer one of this module."""
    return {HINTS[kind]: hint for kind, hint in by_kind.items()} | dict(closer)
