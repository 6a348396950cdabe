"""What to do about a failure of a run on this machine, where nothing of Slurm helps."""

from tmgg.experiment_utils.failures import (
    CUDA_HINT,
    KILLED_HINT,
    STOPPED_HINT,
    FailureKind,
    hints_instead,
)

_BY_KIND: dict[FailureKind, str] = {
    "out_of_memory": "Reduce the batch size, run fewer at once (parallelism, local_cpus_per_run), "
    "or take a machine with more memory.",
    "timeout": "Raise timeout_seconds, or let the experiment save checkpoints and go on from them "
    "with tmgg-jobs retry.",
    "preempted": "Submit again (tmgg-jobs retry).",
    "node_fail": "The machine went down, or the run's supervisor was killed; nothing is wrong with "
    "the experiment. Submit again (tmgg-jobs retry).",
    "not_started": "Its turn did not come; nothing is wrong with the experiment. Submit it again "
    "(resume the sweep, or tmgg-jobs retry).",
    "ray_start": "Ray did not come up; its own words are in the .err file.",
    "environment": "The run has the Python that submitted it. Install there what the message names "
    "as missing, and start from the folder that has your own modules.",
    "submission": "The process could not be started; the system's own words are above.",
    "lost": "Its supervisor is gone and left no record. Look into the .out and .err files, then "
    "tmgg-jobs retry.",
}
LOCAL_HINTS = hints_instead(
    _BY_KIND,
    {
        CUDA_HINT: "CUDA was not found. See what nvidia-smi says on this machine, and that "
        "local_gpus_per_run is not 0.",
        KILLED_HINT: "SIGKILL comes from outside: mostly from a machine that ran out of memory, "
        "else from a person. tmgg-jobs retry submits it again.",
        STOPPED_HINT: "Its state is saved: tmgg-jobs retry goes on from there.",
    },
)
"""A hint of every backend to that of local runs."""
