"""How long `tmgg-jobs report` takes for a sweep of a thousand runs, from a cold start."""

import os
import shutil
import tempfile
from pathlib import Path

from benchmarks._table import render_spread, render_table
from benchmarks.jobs_list import jobs_command, nothing, timed
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.files.atomic_file import write_json
from tmgg.experiment_utils.run_folder.paths import RunPaths, SweepPaths
from tmgg.experiment_utils.run_folder.sweeps import SweepRecord, SweepRun

RUNS = 1000
WITH_CURVES = 200
ROUNDS = 3
LIMIT_S = 2.0
SWEEP = "20261123-141503-9f2c01ab"
CURVES = "step,train_loss,val_loss\n" + "".join(
    f"{step},{1 / (step + 1):.5f},{1.1 / (step + 1):.5f}\n" for step in range(500)
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tmgg-bench-") as name:
        folder = Path(name)
        os.environ.update(TMGG_HOME=str(folder / "home"))
        _make_sweep(folder / "outputs")
        page = folder / "report.html"
        command = jobs_command(
            "report", SWEEP, "--folder", str(folder / "outputs"), "-o", str(page)
        )
        times = timed(command, rounds=ROUNDS)
        size = f"{page.stat().st_size / 1e6:.1f} MB"
    print(
        render_table(
            ["a report of", "time", "page"], [[f"{RUNS} runs", render_spread(times), size]]
        )
    )
    print(f"\nthe bound is {LIMIT_S:g} s: {'kept' if max(times) < LIMIT_S else 'BROKEN'}")


def _make_sweep(outputs: Path) -> None:
    """One run that LocalRunner ran, under many names, as one sweep; some with curves."""
    runner = LocalRunner(LocalConfig(output_dir=str(outputs)))
    target = f"{nothing.__module__}:nothing"
    runner.run_experiment({"experiment": {"_target_": target}}, run_id="r")
    source = RunPaths(outputs, "r")
    names = (
        "run.json",
        "task.json",
        "1/intent.json",
        "1/result.json",
        "1/verdict.json",
        "1/phases",
    )
    texts = {name: (source.folder / name).read_text() for name in names}
    runs = []
    for number in range(RUNS):
        paths = RunPaths(outputs, f"{SWEEP}-{number}")
        title = f"lr={10.0 ** -(number % 5)} width={2 ** (number // 5 % 10)} seed={number // 50}"
        runs.append(SweepRun(run_id=paths.run_id, title=title, key=str(number)))
        paths.submission(1).folder.mkdir(parents=True)
        paths.artifacts.mkdir()
        for name, text in texts.items():
            mine = text.replace('"run_id": "r"', f'"run_id": "{paths.run_id}"')
            mine = mine.replace('"loss": 0.25', f'"val_loss": {(number * 7919 % 1000) / 1000}')
            (paths.folder / name).write_text(mine)
        if number < WITH_CURVES:
            (paths.artifacts / "metrics.csv").write_text(CURVES)
    shutil.rmtree(source.folder)
    record = SweepRecord(
        sweep_id=SWEEP, backend="local", mode="separate", parallelism=4, policy={}, runs=runs
    )
    path = SweepPaths(outputs, SWEEP).record
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, record.to_json())
