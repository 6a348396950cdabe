"""Experiments that use so much on purpose, written into the user's folder by `test_what_runs_used`.

Each tells what it used, counted by itself: it knows nothing of the sampler.
"""

# mypy: ignore-errors
# A user's script, as users write them.

import os
import pathlib
import time

BYTES = 1_500_000_000
CPU_S = 15.0
SEEN_S = 3.0
"""How long the memory stays in use: longer than between two samples."""


def alone(config):
    """In this process."""
    began = time.process_time()
    block = b"x" * BYTES
    until_s = time.monotonic() + SEEN_S
    while time.process_time() - began < CPU_S or time.monotonic() < until_s:
        pass
    return {"cpu_s": time.process_time() - began, "memory": peak(), "kept": len(block)}


def of_a_rank(config):
    """As `alone`, with the CPU time of each rank for the test to add up."""
    used = alone(config)
    pathlib.Path(f"{config['name']}.{os.environ['RANK']}.cpu").write_text(str(used["cpu_s"]))
    return used


def in_ray(config):
    """In a worker of Ray; all of the user's processes on the node count, as Ray's own are hers."""
    import ray

    began = cpu_of_all()
    reference = ray.remote(num_cpus=1)(alone).remote(config)
    most = 0
    while not ray.wait([reference], timeout=0.5)[0]:
        most = max(most, memory_of_all())
    ray.get(reference)
    return {"cpu_s": cpu_of_all() - began, "memory": most}


def peak():
    text = pathlib.Path("/proc/self/status").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def mine():
    """Her processes here, but for the sampler, which takes no part."""
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            if b"tmgg.experiment_utils.sampling" not in (folder / "cmdline").read_bytes():
                yield folder
        except OSError:
            pass


def memory_of_all():
    total = 0
    for folder in mine():
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def cpu_of_all():
    ticks = 0
    for folder in mine():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
