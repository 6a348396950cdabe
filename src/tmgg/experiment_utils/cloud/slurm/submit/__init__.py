"""Exactly one job for each submission: single runs, arrays, packed sweeps."""
