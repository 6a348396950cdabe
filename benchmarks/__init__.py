"""Figures with a peer beside them, from the same run. They are not tests: nothing here passes."""
