"""What a job asks Slurm for, and the job script with these requests. Pure."""
