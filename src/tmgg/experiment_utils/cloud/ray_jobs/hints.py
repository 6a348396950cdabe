"""What to do about a failure, in the words of Ray's options instead of Slurm's."""

from tmgg.experiment_utils.failures import (
    CUDA_HINT,
    KILLED_HINT,
    STOPPED_HINT,
    FailureKind,
    hints_instead,
)

_BY_KIND: dict[FailureKind, str] = {
    "out_of_memory": "Keep more for each run (ray_memory_gb, ray_cpus_per_run), reduce the batch "
    "size, or take nodes with more memory.",
    "timeout": "Raise timeout_seconds, or let the experiment save checkpoints and go on from them "
    "with tmgg-jobs retry.",
    "preempted": "Submit again (tmgg-jobs retry), or let Ray start it again with ray_max_retries.",
    "node_fail": "A node died; nothing is wrong with the experiment. Submit again (tmgg-jobs "
    "retry); ray_max_retries lets Ray do that.",
    "not_started": "Its turn did not come; nothing is wrong with the experiment. Submit it again "
    "(resume the sweep, or tmgg-jobs retry).",
    "ray_start": "The experiment could not connect to Ray; Ray's own words are in the .err file. "
    "ray_connect=false runs it without.",
    "environment": "The node lacks what the run needs. Name packages and variables in "
    "ray_runtime_env, or another Python with ray_python.",
    "submission": "Ray did not take the job; its own words are above. Correct the option and "
    "submit again.",
    "lost": "Ray does not know the job any more and it left no record. Look into the .out and .err "
    "files, then tmgg-jobs retry.",
}
RAY_HINTS = hints_instead(
    _BY_KIND,
    {
        CUDA_HINT: "CUDA was not found. Ask for a GPU with ray_gpus_per_run.",
        KILLED_HINT: "SIGKILL comes from outside: mostly from a node that ran out of memory (keep "
        "more with ray_memory_gb), else from a person. tmgg-jobs retry submits it again.",
        STOPPED_HINT: "Its state is saved: tmgg-jobs retry goes on from there.",
    },
)
"""A hint of every backend to Ray's own."""
