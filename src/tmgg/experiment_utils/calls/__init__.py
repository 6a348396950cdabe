"""Calls of Python functions as runs: the submitter packs them, and jobs of a backend run them.

A call is sent as a pickle beside the task, in a file that only its owner can read. The value that
it returns, or the error that it raises, is written to another pickle.
"""
