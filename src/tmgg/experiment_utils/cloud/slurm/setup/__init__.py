"""A launcher file for a cluster never seen: what to ask it, what to try, what to write and why."""
