"""The errors of a test cluster."""


class ClusterError(RuntimeError):
    """The cluster cannot do what was asked; the message says why and what to do."""


class NoClusterError(ClusterError):
    """There is no cluster of that name."""


class OptionError(ClusterError, ValueError):
    """An option's value is not valid; raised before anything is changed."""
