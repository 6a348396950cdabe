"""`tmgg-experiment -m` with TMGG's launcher and with hydra-submitit-launcher (group `bench`).

The same app, configs and machine. First a thousand configs until the first sbatch, which a script
of that name notes; then a hundred trivial runs on a real cluster of three nodes, from the command
to its end. `TMGG_BENCH_ROUNDS` (1) repeats both.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks._lab import BIN, PROJECT, Lab, lab
from benchmarks._table import render_ratio, render_spread, render_table

CONFIGS = 1000
RUNS = 100
NODES = 3
LIMIT_S = 900
EXPERIMENT = "def run(config):\n    return {'value': config.value}\n"
CONFIG = """
experiment:
  _target_: lab_experiment:run
value: 0
output_dir: null
"""
# Notes the time, and is then as slow as a scheduler that thinks: nothing more happens.
SBATCH = "#!/bin/sh\ndate +%s.%N > {note}.tmp && mv {note}.tmp {note}\nexec sleep 60\n"
SLURM = "hydra/launcher=tmgg_slurm"
SUBMITIT = "hydra/launcher=submitit_slurm"
SMALL = (
    "hydra.launcher.slurm_partition=batch",
    "hydra.launcher.slurm_cpus_per_task=1",
    "hydra.launcher.slurm_gpus_per_task=0",
    "hydra.launcher.slurm_mem_per_cpu=500MB",
    "hydra.launcher.slurm_exclusive=false",
    "hydra.launcher.slurm_time_limit='00:30:00'",
    f"hydra.launcher.parallelism={RUNS}",
)
END_TO_END = {
    "tmgg, array": (
        SLURM, *SMALL, "hydra.launcher.slurm_nodes=1", "hydra.launcher.slurm_ray_bootstrap=none",
        "hydra.launcher.slurm_sweep_mode=array",
    ),
    "tmgg, packed on all nodes": (
        SLURM, *SMALL, f"hydra.launcher.slurm_nodes={NODES}",
        "hydra.launcher.slurm_ray_bootstrap=managed", "hydra.launcher.slurm_sweep_mode=packed",
    ),
    # Trivial runs are over before Ray has found more nodes.
    "tmgg, packed on one node": (
        SLURM, *SMALL, "hydra.launcher.slurm_nodes=1", "hydra.launcher.slurm_cpus_per_task=2",
        "hydra.launcher.slurm_runs_per_node=3",
        "hydra.launcher.slurm_ray_bootstrap=managed", "hydra.launcher.slurm_sweep_mode=packed",
    ),
    "hydra-submitit": (
        SUBMITIT, "hydra.launcher.partition=batch", "hydra.launcher.nodes=1",
        "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_per_cpu=500MB",
        "hydra.launcher.timeout_min=30", f"hydra.launcher.array_parallelism={RUNS}",
    ),
}  # fmt: skip
PEER = "hydra-submitit"


def main() -> None:
    rounds = int(os.environ.get("TMGG_BENCH_ROUNDS", "1"))
    first = {
        "tmgg, separate": (SLURM,),
        "tmgg, array": (SLURM, "hydra.launcher.slurm_sweep_mode=array"),
        PEER: (SUBMITIT,),
    }
    until = {
        name: [_until_first_sbatch(*given) for _ in range(rounds)] for name, given in first.items()
    }
    for index, kind in enumerate(("on the clock", "CPU time")):
        _report(
            f"{CONFIGS} configs until the first sbatch, {kind}",
            {name: [figures[index] for figures in taken] for name, taken in until.items()},
        )
    with lab("bench", nodes=NODES) as cluster:
        cluster.write("lab_experiment.py", EXPERIMENT)
        cluster.write("own.yaml", CONFIG)
        _report(
            f"{RUNS} trivial runs on {NODES} nodes, from the command to its end",
            {
                name: [_end_to_end(cluster, *given) for _ in range(rounds)]
                for name, given in END_TO_END.items()
            },
        )


def _until_first_sbatch(*launcher: str) -> tuple[float, float]:
    """Seconds from the command to its first sbatch, and of its CPU time.

    The CPU time tells more where other work shares the machine.
    """
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "called_at"
        fake = Path(folder) / "bin" / "sbatch"
        fake.parent.mkdir()
        fake.write_text(SBATCH.format(note=note))
        fake.chmod(0o755)
        for name in ("squeue", "sacct", "scontrol", "sinfo", "srun"):
            (fake.parent / name).write_text("#!/bin/sh\nexit 0\n")
            (fake.parent / name).chmod(0o755)
        began = time.time()
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tmgg.cli.experiment",
                "-m",
                f"seed=range({CONFIGS})",
                *launcher,
            ],
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{fake.parent}:{os.environ['PATH']}",
                "PYTHONPATH": str(PROJECT / "src"),
                "TMGG_HOME": folder,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            _wait(note.exists, process)
            return float(note.read_text()) - began, _cpu_time_s(process.pid)
        finally:
            process.kill()
            process.wait()


def _cpu_time_s(pid: int) -> float:
    """User and system time of a living process (proc(5): fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(done: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + LIMIT_S
    while not done():
        if process.poll() is not None or time.monotonic() > deadline:
            assert process.stderr is not None
            raise RuntimeError(f"no sbatch: {process.stderr.read().decode()[-2000:]}")
        time.sleep(0.01)


def _end_to_end(cluster: Lab, *launcher: str) -> float:
    """Seconds from the command to its end."""
    began = time.time()
    cluster.run(
        str(BIN / "tmgg-experiment"), "--config-dir", ".", "--config-name", "own",
        "-m", f"value=range({RUNS})", *launcher, timeout_s=LIMIT_S,
    )  # fmt: skip
    return time.time() - began


def _report(what: str, times: dict[str, list[float]]) -> None:
    rows = [
        [name, render_spread(taken), render_ratio(times[PEER], taken) if name != PEER else ""]
        for name, taken in times.items()
    ]
    print(f"{render_table([what, 'time', 'times as fast'], rows)}\n")


if __name__ == "__main__":
    main()
