"""When a job would start, where, and what it costs: asked before anything is submitted."""
