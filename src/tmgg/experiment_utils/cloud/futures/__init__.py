"""Calls of functions as futures of the standard kind."""
