"""What a job asks Slurm for, and the job script that asks. Pure."""
