"""What a run uses of CPU, memory and GPUs, sampled inside its job."""
