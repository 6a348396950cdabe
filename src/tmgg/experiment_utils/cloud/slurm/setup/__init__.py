"""A launcher file for an unknown cluster: what to ask Slurm, what to try, what to write and why."""
