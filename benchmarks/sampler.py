"""What it costs to sample what a run uses: CPU time an hour, and per cent of a core."""

import os
import subprocess
import sys
import time

from benchmarks._table import render_table
from tmgg.experiment_utils.sampling import process_tree, sampler

SAMPLES = 50
RUNS = ((1, 50), (1, 2000), (16, 200))
"""Processes of the run, and megabytes of memory of each."""
LIMIT_PERCENT = 0.5
CHILD = "import sys; x = b'x' * (int(sys.argv[1]) << 20); print(1, flush=True); sys.stdin.read()"


def main() -> None:
    rows = [_row(processes, megabytes) for processes, megabytes in RUNS]
    header = ["processes", "MB each", "a sample", "every", "CPU an hour", "of a core"]
    print(render_table(header, rows))
    print(f"processes on this machine: {len(process_tree.read_table())}")
    print(f"at most {LIMIT_PERCENT} % of a core is what it may take")


def _row(processes: int, megabytes: int) -> list[str]:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(megabytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            child.stdout.readline()
        cost_s = _sample_cost_s()
    finally:
        for child in children:
            child.communicate(timeout=60)
    every_s = min(max(sampler.EVERY_S, cost_s / sampler.LARGEST_SHARE), sampler.LONGEST_PAUSE_S)
    share = cost_s / every_s
    return [
        str(processes),
        str(megabytes),
        f"{cost_s * 1000:.2f} ms",
        f"{every_s:.1f} s",
        f"{share * 3600:.1f} s",
        f"{share * 100:.2f} %",
    ]


def _sample_cost_s() -> float:
    own = os.getpid()
    began_s = time.thread_time()
    for _ in range(SAMPLES):
        process_tree.measure(own, own)
    return (time.thread_time() - began_s) / SAMPLES
