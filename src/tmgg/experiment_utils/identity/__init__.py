"""The identity of a run, from its program, code and config: the same run is recognised by it."""
