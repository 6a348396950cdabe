"""`tmgg-jobs list` over a thousand runs from a cold start, next to submitit on the same jobs.

And over 20 sweeps of 58 runs each, which fit a screen, and over 20,000 runs that have ended, seen
before or not.

The records are made by SlurmRunner itself. The Slurm commands are small scripts that answer at
once, as squeue and sacct of a real cluster nearly do (20 and 60 ms for a thousand jobs): what is
measured is the two programs and how often they ask.
"""

import os
import re
import resource
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks._table import render_ratio, render_spread, render_table
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.cloud.runs import TaskRequest
from tmgg.experiment_utils.cloud.runs_on_record.reattach import known_runs
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.parsing import (
    ACCOUNTING_FIELDS,
    ACCOUNTING_SEPARATOR,
    QUEUE_FIELDS,
    QUEUE_SEPARATOR,
)
from tmgg.experiment_utils.cloud.slurm.runner import SlurmRunner
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.evidence_token import read_token
from tmgg.experiment_utils.run_folder.ownership import read_job_id
from tmgg.experiment_utils.run_folder.paths import RunPaths, SubmissionPaths
from tmgg.experiment_utils.run_folder.task import TaskOutput

RUNS = 1000
FOLDERS = 4
"""Each with settings of its own: still one question."""
OPEN = 100
"""Runs that go on; the others have ended."""
ROUNDS = 5
LIMIT_S = 0.5
SWEEPS, RUNS_OF_A_SWEEP = 20, 58
SWEEPS_LIMIT_S = 0.6
SCREEN = (80, 24)
"""Columns and rows of the terminal on which the sweeps are listed."""
MANY_RUNS = 20_000
MANY_LIMIT_S = 1.0

_FIRST_JOB = 1000
_SBATCH = """#!/bin/sh
n=$(cat "$FAKE_SLURM/next"); echo $((n + 1)) > "$FAKE_SLURM/next"; echo "$n"
echo "$n sbatch $*" >> "$FAKE_SLURM/submitted"
"""
_ANSWER = """#!/bin/sh
echo "$0" >> "$FAKE_SLURM/calls"
cat "$FAKE_SLURM/{name}.txt"
"""
_SUBMITIT = """
import sys, submitit
jobs = [submitit.SlurmJob("/tmp", job_id) for job_id in sys.argv[1:]]
print(len([job.state for job in jobs]), jobs[0].watcher.num_calls)
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tmgg-bench-") as name:
        folder = Path(name)
        environment = _fake_slurm(folder)
        os.environ.update(environment)
        job_ids = _make_runs(folder)
        _write_answers(folder, job_ids)
        judged = timed(jobs_command("list", "--all"), rounds=1)
        rows = [["tmgg-jobs list --all, the first time: judges all", *_cells(folder, judged)]]
        ours: dict[str, list[float]] = {}
        for options in (["--all"], ["--all", "--json"], ["--status", "failed"], []):
            ours[" ".join(options)] = times = timed(jobs_command("list", *options), rounds=ROUNDS)
            rows.append([" ".join(["tmgg-jobs list", *options]), *_cells(folder, times)])
        theirs = timed([sys.executable, "-c", _SUBMITIT, *job_ids], rounds=ROUNDS)
        rows.append(["submitit: SlurmJob(...).state of the same jobs", *_cells(folder, theirs)])
    print(
        f"{RUNS} runs in {FOLDERS} folders, {OPEN} of them going on; cold start, {os.cpu_count()}"
    )
    print(f"cores, load {os.getloadavg()[0]:.1f}\n")
    print(render_table(["command", "time", "Slurm calls"], rows))
    print(
        f"\nlist --all takes {render_ratio(ours['--all'], theirs)} of submitit's time; the bound is"
    )
    print(f"{LIMIT_S} s: {'kept' if max(ours['--all']) < LIMIT_S else 'BROKEN'}\n")
    with tempfile.TemporaryDirectory(prefix="tmgg-bench-") as name:
        _list_sweeps(Path(name))
    with tempfile.TemporaryDirectory(prefix="tmgg-bench-") as name:
        _list_many(Path(name))


def _list_sweeps(folder: Path) -> None:
    """In a terminal, all seen before: some runs go on, some have failed."""
    os.environ.update(_fake_slurm(folder))
    _write_answers(folder, _make_sweeps(folder))
    command = jobs_command("list", "--all", "--folder", str(folder / "outputs"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as users have it
    timed(command, rounds=1)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    times = timed(command, rounds=ROUNDS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / ROUNDS
    lines = _on_terminal(command)
    print(f"{SWEEPS * RUNS_OF_A_SWEEP} runs in {SWEEPS} sweeps, {OPEN} of them going on\n")
    print("\n".join(lines))
    fits = len(lines) < SCREEN[1] and max(map(len, lines)) <= SCREEN[0]
    print(f"\n{len(lines)} lines: {'fits' if fits else 'DOES NOT FIT'} {SCREEN[0]} x {SCREEN[1]}")
    print(
        f"tmgg-jobs list --all takes {render_spread(times)}, of which {cpu_s:.2f} s CPU time, with"
    )
    print(f"load {os.getloadavg()[0]:.1f}; the bound is {SWEEPS_LIMIT_S:g} s: ", end="")
    print("kept\n" if max(times) < SWEEPS_LIMIT_S else "BROKEN\n")


def _make_sweeps(folder: Path) -> list[str]:
    """Submit all, and let most of them end; the ids of their jobs."""
    outputs = folder / "outputs"
    runner = SlurmRunner(SlurmConfig(output_dir=str(outputs)))
    for number in range(SWEEPS):
        requests = [
            TaskRequest(config={"seed": seed, "sweep": number}, title=f"model=gnn seed={seed}")
            for seed in range(RUNS_OF_A_SWEEP)
        ]
        runner.spawn_sweep(requests, name=f"width_{2**number}")
    submissions = [run.paths.submission(1) for run in known_runs([outputs])]
    for submission in submissions[:-OPEN]:
        _end(submission)
    return [str(read_job_id(submission)) for submission in submissions[::-1]]


def _on_terminal(command: list[str]) -> list[str]:
    """What stands on a terminal of the size above, without colours."""
    columns, rows = SCREEN
    size = f"stty cols {columns} rows {rows}; exec {shlex.join(command)}"
    done = subprocess.run(
        ["script", "-qec", size, "/dev/null"], capture_output=True, text=True, check=True
    )
    return re.sub(r"\x1b\[[\d;]*m|\r", "", done.stdout).splitlines()


def _list_many(folder: Path) -> None:
    """Runs that ended, seen before or not."""
    os.environ.update(TMGG_HOME=str(folder / "home"))
    outputs = folder / "outputs"
    _copy_runs(outputs)
    rows, again = [], [0.0]
    for options in ([], ["--all"]):
        command = jobs_command("list", "--folder", str(outputs), *options)
        shutil.rmtree(folder / "home", ignore_errors=True)
        words = " ".join(["tmgg-jobs list", *options])
        rows.append([f"{words}, nothing seen before", render_spread(timed(command, rounds=1))])
        times = timed(command, rounds=ROUNDS)
        rows.append([f"{words}, nothing changed since", render_spread(times)])
        again = again if options else times
    print(f"{MANY_RUNS} runs that ended two days ago\n")
    print(render_table(["command", "time"], rows))
    print(f"\nthe bound for list where nothing changed is {MANY_LIMIT_S:g} s: ", end="")
    print("kept" if max(again) < MANY_LIMIT_S else "BROKEN")


def _copy_runs(outputs: Path) -> None:
    """One run that LocalRunner ran, under many names."""
    runner = LocalRunner(LocalConfig(output_dir=str(outputs)))
    runner.run_experiment({"experiment": {"_target_": "benchmarks.jobs_list:nothing"}}, run_id="r")
    source = RunPaths(outputs, "r")
    at = time.time() - 2 * 86400
    names = ("run.json", "1/intent.json", "1/result.json", "1/verdict.json")
    texts = {name: (source.folder / name).read_text() for name in names}
    for number in range(MANY_RUNS):
        paths = RunPaths(outputs, f"run-{number}")
        paths.submission(1).folder.mkdir(parents=True)
        for name, text in texts.items():
            mine = text.replace('"run_id": "r"', f'"run_id": "{paths.run_id}"')
            (paths.folder / name).write_text(mine)
        os.utime(paths.submission(1).verdict, (at, at))


def nothing(_config: object) -> dict[str, float]:
    return {"loss": 0.25}


def _fake_slurm(folder: Path) -> dict[str, str]:
    commands = folder / "bin"
    commands.mkdir()
    scripts = {"sbatch": _SBATCH, "squeue": _ANSWER, "sacct": _ANSWER}
    for name, text in scripts.items():
        path = commands / name
        path.write_text(text.replace("{name}", name))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (folder / "next").write_text(f"{_FIRST_JOB}\n")
    return {
        "FAKE_SLURM": str(folder),
        "PATH": f"{commands}:{os.environ['PATH']}",
        "TMGG_HOME": str(folder / "home"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def _make_runs(folder: Path) -> list[str]:
    """Submit all runs and let most of them end; the ids of their jobs."""
    for number in range(FOLDERS):
        config = SlurmConfig(
            output_dir=str(folder / f"outputs{number}"),
            poll_interval_s=30.0 + number,
            setup_commands=("module load cuda/12.1", "conda activate tmgg"),
        )
        runner = SlurmRunner(config)
        for index in range(number, RUNS, FOLDERS):
            runner.spawn_experiment({"seed": index, "model": {"width": 64, "depth": 3}})
    runs = known_runs([folder / f"outputs{number}" for number in range(FOLDERS)])
    submissions = [run.paths.submission(1) for run in runs]
    for submission in submissions[OPEN:]:
        _end(submission)
    return [str(read_job_id(submission)) for submission in submissions]


def _end(submission: SubmissionPaths) -> None:
    """Leave what a job leaves that completed; each tenth fails."""
    failed = int(str(read_job_id(submission))) % 10 == 0
    token = read_token(submission)
    output = TaskOutput(
        token=token,
        run_id=submission.run_paths.run_id,
        status="failed" if failed else "completed",
        metrics={} if failed else {"val_loss": 0.123},
        error_type="ValueError" if failed else None,
        error_message="boom" if failed else None,
    )
    write_json(submission.result, output.to_json())
    exit_code = int(failed)
    write_json(
        submission.ended,
        {
            "version": 1,
            "job_id": read_job_id(submission),
            "token": token,
            "restart": 0,
            "stage": "entrypoint",
            "signal": "",
            "exit_code": exit_code,
            "entrypoint_exit_code": exit_code,
        },
    )


def _write_answers(folder: Path, job_ids: list[str]) -> None:
    """Half of the open jobs run, half are pending; the controller has forgotten the others."""
    lines = (folder / "submitted").read_text().splitlines()
    submitted = dict(line.split(" ", 1) for line in lines)
    open_ids = job_ids[:OPEN]
    header = [name.upper() for name in QUEUE_FIELDS]
    jobs = [
        _queued(job, "RUNNING" if number % 2 else "PENDING", submitted[job])
        for number, job in enumerate(open_ids)
    ]
    rows = [QUEUE_SEPARATOR.join([*row, ""]) + "\n" for row in (header, *jobs)]
    (folder / "squeue.txt").write_text("".join(rows))
    states = [f"{job}|{'RUNNING' if job in open_ids else 'COMPLETED'}|node1" for job in job_ids]
    ours = [
        ACCOUNTING_SEPARATOR.join(_accounted(job, submitted[job]))
        for job in job_ids
        if job not in open_ids
    ]
    # Each program skips the other's lines.
    (folder / "sacct.txt").write_text("\n".join(["JobID|State|NodeList", *states, *ours]) + "\n")


def _queued(job: str, state: str, submit_line: str) -> list[str]:
    (comment,) = re.findall(r"--comment=(\S+)", submit_line)
    now = time.strftime("%Y-%m-%dT%H:%M:%S")
    cells = {
        "JobID": job, "JobArrayID": job, "State": state, "Reason": "Priority", "RestartCnt": "0",
        "exit_code": "0", "StartTime": now, "NodeList": "node[1-4]", "SubmitTime": now,
        "UserID": str(os.getuid()), "Comment": comment,
    }  # fmt: skip
    return [cells[name] for name in QUEUE_FIELDS]


def _accounted(job: str, submit_line: str) -> list[str]:
    cells = {
        "JobID": job, "JobIDRaw": job, "State": "COMPLETED", "ExitCode": "0:0",
        "DerivedExitCode": "0:0", "NodeList": "node1", "Submit": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "SubmitLine": submit_line,
    }  # fmt: skip
    return [cells[name] for name in ACCOUNTING_FIELDS]


def jobs_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tmgg.cli.jobs", *arguments]


def timed(argv: list[str], *, rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True, timeout=120)
        times.append(time.perf_counter() - started)
    return times


def _cells(folder: Path, times: list[float]) -> list[str]:
    calls = folder / "calls"
    number = len(calls.read_text().splitlines()) if calls.exists() else 0
    calls.unlink(missing_ok=True)
    return [render_spread(times), f"{number / len(times):g}"]


if __name__ == "__main__":
    main()
