"""Runs of experiments: their files, the code in their jobs, and the backends."""

from tmgg.experiment_utils.moved_modules import find_moved_modules

find_moved_modules()
