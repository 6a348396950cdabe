"""What to run, where its files are, and the backends that run it."""

from tmgg.experiment_utils.moved_modules import find_moved_modules

find_moved_modules()
