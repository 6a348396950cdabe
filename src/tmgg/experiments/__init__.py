"""The built-in experiments, which connect `tmgg.training` to the run that executes it."""
