"""What to do about a failure of a run on Slurm, and which `slurm_` options to change."""

from tmgg.experiment_utils.run_folder.failures import HintName

SLURM_HINTS: dict[HintName, str] = {
    "out_of_memory": "Increase slurm_mem_per_cpu (for example 8GB or 16GB), ask for more CPUs per "
    "task, or reduce the batch size.",
    "timeout": "Raise slurm_time_limit and timeout_seconds together. Where the run starts Ray on 4 "
    "or more nodes, add 10 to 15 minutes to slurm_time_limit for that.",
    "own_limit": "It is the experiment's own limit. Raise timeout_seconds, and slurm_time_limit "
    "only if that is not longer.",
    "preempted": "Submit again (tmgg-jobs retry), use a partition that does not preempt, or let "
    "Slurm requeue with slurm_requeue=true.",
    "node_fail": "A node died; nothing is wrong with the experiment. Submit again (tmgg-jobs "
    "retry); slurm_exclude keeps a bad node out.",
    "not_started": "Its turn did not come; nothing is wrong with the experiment. Submit it again "
    "(resume the sweep, or tmgg-jobs retry), with a longer slurm_time_limit, more slurm_nodes or "
    "more slurm_runs_per_node.",
    "ray_start": "Ray did not come up. Check that the nodes reach each other on Ray's ports "
    "(srun --nodes=1 ping -c 1 <other_node>), and that no other Ray uses the ports "
    "(slurm_ray_port, slurm_min_worker_port, slurm_max_worker_port). Ray's own words are in "
    "the .err file.",
    "environment": "The environment of the compute node is not what the run needs. Set "
    "slurm_setup_commands (for example 'source ~/.bashrc', 'conda activate tmgg') and try them "
    "with srun on a node.",
    "lost": "No source knows the job any more, and it left no record. Look into the .out and "
    ".err files and sacct, then tmgg-jobs retry.",
    "killed": "A person, the site, or the kernel when memory runs out may send SIGKILL; so may the "
    "experiment, or a library that found one of its processes dead. Slurm does not say that it was "
    "memory; sacct's MaxRSS, the node's dmesg and the end of the .err file may show the cause. "
    "tmgg-jobs retry submits the run again.",
    "ray_killed": "Something killed a process of Ray or of TMGG on a node: look for an "
    "out-of-memory kill (sacct, dmesg), and into ray_logs/ of the run. Then submit it again "
    "(tmgg-jobs retry).",
    "absent_node": "A process of TMGG could not begin on a node of the job; its own words are in "
    "the .err file. Look whether that node sees the environment and the output folder (srun "
    "--nodelist=NODE ls FOLDER). slurm_exclude keeps a bad node out.",
    "late_node": "A process of TMGG on a node of the job did not reach the first node in time. "
    "Raise slurm_ray_start_timeout_s where nodes are slow; else ask for the firewall between "
    "them. slurm_exclude keeps a bad node out.",
    "signalled": "Somebody sent the signal (for example scancel --signal --batch), or the job "
    "has the option --signal=B:. TMGG itself uses USR2 and TERM. tmgg-jobs retry submits the "
    "run again.",
    "log_folder": "The node could not open the log file: the output folder does not exist "
    "there, or cannot be written there. Set slurm_output_dir to a folder on the file system "
    "that all nodes share (tmgg-jobs doctor tries it).",
    "stopped": "Its state is saved: tmgg-jobs retry goes on from there. To let Slurm do this "
    "next time, set slurm_requeue=true, and raise slurm_max_restarts if all restarts were "
    "used.",
    "restarts": "The .err file may say why it was started so often. Then raise "
    "slurm_max_restarts, or go on with tmgg-jobs retry.",
    "no_ray": "The job's environment has no Ray, or one that is too old. Install it there (the "
    "message says how), activate the right environment in slurm_setup_commands, or, for an "
    "experiment that needs no Ray, set slurm_ray_bootstrap=none.",
    "cuda": "CUDA was not found. Add the module load to slurm_setup_commands (for example 'module "
    "load cuda/12.1'; 'module avail cuda' lists them) and ask for a GPU with slurm_gpus_per_task.",
}
