"""Slurm: one file runs its commands, one table maps its states, one function reaches a verdict."""
