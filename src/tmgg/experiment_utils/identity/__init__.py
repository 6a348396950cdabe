"""What a run is, so that it is recognised again: its program, its code, its config."""
