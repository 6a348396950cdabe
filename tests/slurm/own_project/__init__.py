"""A Lightning project of somebody's own: a package with data in a file beside it."""
