"""What to do about failures of runs on this machine."""

from tmgg.experiment_utils.run_folder.failures import HintName

LOCAL_HINTS: dict[HintName, str] = {
    "out_of_memory": "Reduce the batch size, run fewer at once (parallelism, local_cpus_per_run), "
    "or take a machine with more memory.",
    "node_fail": "The machine went down, or the run's supervisor was killed; nothing is wrong with "
    "the experiment. Submit again (tmgg-jobs retry).",
    "environment": "The run uses the Python that submitted it. Install in it what the message "
    "names, and start from the folder that has your own modules.",
    "lost": "Its supervisor is gone and left no record. Look into the .out and .err files, then "
    "tmgg-jobs retry.",
    "cuda": "CUDA was not found. Check nvidia-smi on this machine, and that local_gpus_per_run"
    " is not 0.",
}
