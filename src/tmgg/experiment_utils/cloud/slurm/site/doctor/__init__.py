"""Has this cluster what a run needs? Checked from the login node, then by two short jobs."""
