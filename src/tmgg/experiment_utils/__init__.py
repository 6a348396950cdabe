"""What to run, where its files are, and the backends that run it."""
