#!/bin/bash
#SBATCH --job-name=tmgg-experiment
# (a job script; nobody reads it)
