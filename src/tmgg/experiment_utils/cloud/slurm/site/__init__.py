"""What a Slurm site is like, and whether it would take a job."""
