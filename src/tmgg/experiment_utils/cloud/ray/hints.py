"""What to do about failures of runs on Ray, with the names of Ray's options."""

from tmgg.experiment_utils.run_folder.failures import HintName

RAY_HINTS: dict[HintName, str] = {
    "out_of_memory": "Reserve more for each run (ray_memory_gb, ray_cpus_per_run), reduce the "
    "batch size, or use nodes with more memory.",
    "preempted": "Submit again (tmgg-jobs retry), or let Ray start it again with ray_max_retries.",
    "node_fail": "A node died; nothing is wrong with the experiment. Submit again (tmgg-jobs "
    "retry); ray_max_retries lets Ray do that.",
    "ray_start": "The experiment could not connect to Ray; Ray's own words are in the .err "
    "file. ray_connect=false runs the experiment without Ray.",
    "environment": "The node lacks what the run needs. Name packages and variables in "
    "ray_runtime_env, or another Python with ray_python.",
    "lost": "Ray does not know the job any more, and it left no record. Look into the .out and"
    " .err files, then tmgg-jobs retry.",
    "killed": "A person, Ray, or the kernel when memory runs out may send SIGKILL; so may the "
    "experiment, or a library that found one of its processes dead. TMGG does not know which; the "
    "node's dmesg, Ray's logs and the end of the .err file may say it. If it was memory, reserve "
    "more with ray_memory_gb. tmgg-jobs retry submits the run again.",
    "cuda": "CUDA was not found. Ask for a GPU with ray_gpus_per_run.",
}
