"""Calls of functions as futures of the standard library (`concurrent.futures`)."""
