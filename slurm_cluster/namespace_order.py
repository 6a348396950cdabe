"""The CPU on which to make a machine's mount namespace, so that a job's can be bound inside it.

Linux refuses to bind the file of a mount namespace inside a namespace with a higher number, so that
two namespaces never hold each other (`mnt_ns_loop`, fs/namespace.c). Since 6.18 each CPU gives
numbers from its own range. So a later namespace may have a lower number, and job_container/tmpfs
fails with "ns base mount failed: Invalid argument". A namespace that is made on the CPU with the
lowest range can hold all others.
"""

import ctypes
import fcntl
import os
import struct
from pathlib import Path

_CLONE_NEWNS = 0x00020000  # sched.h
_GET_NUMBER = 0x8008B705  # NS_GET_MNTNS_ID, linux/nsfs.h; since 6.11


def lowest_cpu() -> int | None:
    """The CPU that gives mount namespaces the lowest numbers; None if the kernel does not say."""
    numbers = {cpu: _number_on(cpu) for cpu in os.sched_getaffinity(0)}
    known = {cpu: number for cpu, number in numbers.items() if number is not None}
    return min(known, key=lambda cpu: known[cpu]) if known else None


def _number_on(cpu: int) -> int | None:
    """The number of a mount namespace made on this CPU and removed at once; None if unknown."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _tell_number(cpu, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return struct.unpack("Q", told)[0] if told else None


def _tell_number(cpu: int, pipe: int) -> None:
    try:
        os.sched_setaffinity(0, {cpu})
        if ctypes.CDLL(None).unshare(_CLONE_NEWNS) == 0:
            with Path("/proc/self/ns/mnt").open("rb") as namespace:
                os.write(pipe, fcntl.ioctl(namespace, _GET_NUMBER, bytes(8)))
    finally:
        os._exit(0)
