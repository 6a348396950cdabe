"""The folders in which runs are on record: where each file is, and what is in it."""
