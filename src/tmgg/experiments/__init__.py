"""The built-in experiments: the science of `tmgg.training`, joined to the run that executes it."""
