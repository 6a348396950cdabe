"""Amounts of memory as text, in Slurm's units: a GB is 1024 MB. Pure."""

import math

_MEGABYTE = 1 << 20
_GIGABYTE = 1 << 30


def render_bytes(size: float) -> str:
    """Two or three digits: `3.1 GB`, `447 MB`."""
    for unit, name in ((1 << 40, "TB"), (_GIGABYTE, "GB"), (_MEGABYTE, "MB")):
        if size >= unit:
            value = size / unit
            return f"{value:.1f} {name}" if value < 10 else f"{value:.0f} {name}"
    return f"{size / 1024:.0f} kB"


def render_request(size: float) -> str:
    """`size` bytes, rounded up, in the form of options: `4GB`, `600MB`."""
    if size > 0.9 * _GIGABYTE:
        return f"{math.ceil(size / _GIGABYTE)}GB"
    return f"{max(1, math.ceil(size / _MEGABYTE / 100)) * 100}MB"
