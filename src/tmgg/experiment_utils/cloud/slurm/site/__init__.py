"""What a Slurm site is like, and whether it takes what is asked for."""
