"""Sweeps: plans runs, recognises earlier ones, submits them as there is room, collects results."""
