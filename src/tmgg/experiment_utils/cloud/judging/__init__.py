"""Decides the state of a run from its files and from the backend's answer."""
