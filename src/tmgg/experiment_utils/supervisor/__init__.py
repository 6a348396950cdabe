"""Supervisors: they start an experiment's process and wait for its end (local, Ray, Modal runs)."""
