"""Calls of Python functions as runs: packed where they are submitted, run where the backend says.

A call travels as a pickle beside the task, in a file that only its owner can read. What it returns
or raises comes back as another.
"""
