"""A thousand runs as one job array: TMGG next to submitit's `map_array`, and growth to 10,000.

On a real cluster both submit the same configs, held so that nothing runs. The growth is measured
with an sbatch that only answers: what grows then is TMGG's own work.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._lab import lab
from benchmarks._table import medians, render_ratio, render_spread, render_table

RUNS = 1000
ROUNDS = 5
SIZES = (10, 100, 1000, 10_000)
LARGEST_MEMORY_MIB = 300

_CONFIGS = """
import json, resource, sys, time
count = int(sys.argv[1])
configs = [
    {"experiment": {"_target_": "json:loads"}, "seed": n, "model": {"width": 64, "depth": 3},
     "optimizer": {"name": "adam", "lr": 0.001 * (n + 1)}}
    for n in range(count)
]
"""
_REPORT = """
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak_mib": peak, **more}))
"""
_TMGG = (
    _CONFIGS
    + """
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner
runner = SlurmRunner(SlurmConfig(
    nodes=1, cpus_per_task=1, gpus_per_task=0, mem_per_cpu="100MB", exclusive=False,
    ray_bootstrap="none", extra_args=["--hold"], output_dir=f"tmgg-{time.time()}"))
began = time.perf_counter()
sweep = runner.spawn_sweep(configs, mode="array", parallelism=256)
seconds = time.perf_counter() - began
assert len(sweep.run_ids) == count and not sweep.refused, sweep.refused
more = {"sbatch": runner.client.calls["sbatch"]}
if sys.argv[2:] == ["poll"]:
    began = time.perf_counter()
    states = runner.poll(sweep.run_ids)
    more["poll_seconds"] = time.perf_counter() - began
    more["files"] = sum(len(names) for _, _, names in __import__("os").walk(runner.output_dir))
    assert all(state.status == "pending" for state in states)
"""
    + _REPORT
)
_SUBMITIT = (
    _CONFIGS
    + """
import submitit
def run(config):
    return config["seed"]
executor = submitit.SlurmExecutor(folder=f"submitit-{time.time()}")
executor.update_parameters(
    partition="gpu", time=5, cpus_per_task=1, mem="100MB", array_parallelism=256,
    additional_parameters={"hold": True})
began = time.perf_counter()
jobs = executor.map_array(run, configs)
seconds = time.perf_counter() - began
assert len(jobs) == count
more = {"sbatch": len({job.job_id.split("_")[0] for job in jobs})}
"""
    + _REPORT
)
_SQUEUE = """
import sys
count = int(open(sys.argv[1]).read())
for n in range(count):
    print(f"77|77_{n}|PENDING|JobHeldUser|0|0|N/A||tmgg:x|")
"""


def main() -> None:
    print(f"{RUNS} runs, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    _compare()
    print()
    _grow()


def _compare() -> None:
    samples: dict[str, list[dict[str, float]]] = {"TMGG, array": [], "submitit, map_array": []}
    with lab("bench", nodes=3) as cluster:
        for _ in range(ROUNDS):
            for found, code in zip(samples.values(), (_TMGG, _SUBMITIT), strict=True):
                printed = cluster.run("python", "-c", code, str(RUNS))
                found.append(json.loads(printed.splitlines()[-1]))
                cluster.run("scancel", "--user=alice")
    figures = {name: medians(found) for name, found in samples.items()}
    rows = [
        [
            name,
            render_spread(values["seconds"]),
            f"{values['sbatch'][0]:g}",
            f"{max(values['peak_mib']):.0f} MiB",
        ]
        for name, values in figures.items()
    ]
    print(render_table(["", "until submitted", "sbatch", "peak memory"], rows))
    ours, theirs = (figures[name] for name in samples)
    peak = max(ours["peak_mib"])
    print(
        f"\nTMGG takes {render_ratio(ours['seconds'], theirs['seconds'])} of submitit's time; the"
    )
    print(f"bound is 2x. Its memory stays under {LARGEST_MEMORY_MIB} MiB: {_kept(peak)}")


def _kept(peak_mib: float) -> str:
    return "kept" if peak_mib < LARGEST_MEMORY_MIB else "BROKEN"


def _grow() -> None:
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="tmgg-bench-") as name:
            found = [_measure(Path(name), size) for _ in range(3 if size > 1000 else ROUNDS)]
        figures = medians(found)
        seconds, poll = figures["seconds"], figures["poll_seconds"]
        rows.append(
            [
                str(size),
                render_spread(seconds),
                _per_run(seconds, size),
                render_spread(poll),
                _per_run(poll, size),
                f"{max(figures['peak_mib']):.0f} MiB",
                f"{figures['files'][0]:g}",
            ]
        )
    header = ["runs", "submit", "a run", "poll", "a run", "peak memory", "files"]
    print("An sbatch and a squeue that only answer; MaxArraySize above the number of runs\n")
    print(render_table(header, rows))


def _per_run(seconds: list[float], size: int) -> str:
    return f"{sorted(seconds)[len(seconds) // 2] / size * 1000:.2f} ms"


def _measure(folder: Path, size: int) -> dict[str, Any]:
    environment = _answering_slurm(folder, size)
    argv = [sys.executable, "-c", _TMGG, str(size), "poll"]
    done = subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _answering_slurm(folder: Path, size: int) -> dict[str, str]:
    commands = folder / "bin"
    commands.mkdir(exist_ok=True)
    (folder / "count").write_text(f"{size}\n")
    (folder / "squeue.py").write_text(_SQUEUE)
    answers = {
        "sbatch": "echo 77",
        "scontrol": "echo 'MaxArraySize            = 1000001'",
        "squeue": f"exec {sys.executable} -S -E {folder}/squeue.py {folder}/count",
    }
    for name, text in answers.items():
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{commands}:{os.environ['PATH']}",
        "TMGG_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


if __name__ == "__main__":
    main()
