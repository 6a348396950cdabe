"""What to do about a failure, in the words of Modal's options instead of Slurm's."""

from tmgg.experiment_utils.failures import (
    CUDA_HINT,
    DISK_HINT,
    KILLED_HINT,
    STOPPED_HINT,
    FailureKind,
    hints_instead,
)

_BY_KIND: dict[FailureKind, str] = {
    "out_of_memory": "Increase modal_memory_mb, take a gpu_type with more memory, or reduce the "
    "batch size.",
    "timeout": "Raise timeout_seconds (a day is Modal's limit), or let the experiment save "
    "checkpoints and go on from them with tmgg-jobs retry.",
    "preempted": "Submit again (tmgg-jobs retry), or let Modal do that with modal_retries.",
    "not_started": "Its turn did not come; nothing is wrong with the experiment. Submit it again "
    "(resume the sweep, or tmgg-jobs retry).",
    "node_fail": "The container died, or was cancelled outside TMGG; nothing is wrong with the "
    "experiment. tmgg-jobs retry submits it again; modal_retries lets Modal do that.",
    "ray_start": "Ray did not come up in the containers; its own words are in the .err file. "
    "modal_nodes=1 runs in one container, without Ray.",
    "environment": "The container lacks what the run needs. Name missing packages in "
    "modal_requirements, Debian's in modal_apt_packages, and your own code in "
    "modal_local_packages.",
    "submission": "Modal did not take the run; its own words are above. Correct the option and "
    "submit again.",
    "lost": "Modal does not know the call any more, or its result has expired. tmgg-jobs retry "
    "submits it again.",
}
_OF_CLOSER_ONES = {
    CUDA_HINT: "CUDA was not found. Set gpu_type; a container without one has no GPU.",
    DISK_HINT: "The container's disk is full, or a volume of modal_volumes cannot be written.",
    KILLED_HINT: "SIGKILL comes from outside: mostly from a container that ran out of memory "
    "(raise modal_memory_mb). tmgg-jobs retry submits it again.",
    STOPPED_HINT: "Its state is saved: tmgg-jobs retry goes on from there.",
}
MODAL_HINTS = hints_instead(_BY_KIND, _OF_CLOSER_ONES)
"""A hint of every backend to Modal's own."""
