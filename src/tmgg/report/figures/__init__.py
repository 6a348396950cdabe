"""The pictures of a sweep, each in a file of its own. Pure."""
