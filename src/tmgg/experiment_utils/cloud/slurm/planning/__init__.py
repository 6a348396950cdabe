"""When and where a job would start, and what it costs; Slurm is asked before a submission."""
