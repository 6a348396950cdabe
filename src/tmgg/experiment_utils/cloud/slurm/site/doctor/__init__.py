"""Is this cluster what a run needs? Looked at from the login node, then by one job on its nodes."""
