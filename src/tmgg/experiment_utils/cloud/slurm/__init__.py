"""The Slurm backend: `commands.py` runs Slurm's commands, `states.py` maps its job states."""
