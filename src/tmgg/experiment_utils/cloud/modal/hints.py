"""What to do about failures of runs on Modal, with the names of Modal's options."""

from tmgg.experiment_utils.run_folder.failures import HintName

MODAL_HINTS: dict[HintName, str] = {
    "out_of_memory": "Increase modal_memory_mb, take a gpu_type with more memory, or reduce the "
    "batch size.",
    "timeout": "Raise timeout_seconds (a day is Modal's limit), or let the experiment save "
    "checkpoints and go on from them with tmgg-jobs retry.",
    "preempted": "Submit again (tmgg-jobs retry), or let Modal do that with modal_retries.",
    "node_fail": "The container died, or was cancelled outside TMGG; nothing is wrong with the "
    "experiment. tmgg-jobs retry submits it again; modal_retries lets Modal do that.",
    "ray_start": "Ray did not come up in the containers; its own words are in the .err file. "
    "modal_nodes=1 runs in one container, without Ray.",
    "environment": "The container lacks what the run needs. Name missing packages in "
    "modal_requirements, Debian's in modal_apt_packages, and your own code in "
    "modal_local_packages.",
    "lost": "Modal does not know the call any more, or its result has expired. tmgg-jobs retry "
    "submits it again.",
    "cuda": "CUDA was not found. Set gpu_type; a container without one has no GPU.",
    "disk": "The container's disk is full, or a volume of modal_volumes cannot be written.",
    "killed": "The system, Modal or a person may send SIGKILL; so may the experiment, or a library "
    "that found one of its processes dead. TMGG does not know which; the end of the .err file may "
    "say it. If it was memory, raise modal_memory_mb. tmgg-jobs retry submits the run again.",
}
