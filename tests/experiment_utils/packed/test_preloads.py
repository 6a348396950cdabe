"""What is imported once for all runs of a packed sweep."""

import json
from pathlib import Path

from tmgg.experiment_utils.packed.main import preloads


def test_the_modules_of_tasks_and_of_the_experiments_that_hydra_apps_run(tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    lines = [
        {"target": "lab.alone:run", "config": {"x": 1}},
        {"target": "opener:run", "config": {"experiment": {"_target_": "lab.inside:run"}}},
        {"target": "opener:run", "config": {"experiment": {"_target_": "lab.dotted.run"}}},
        {"target": "opener:run", "config": {"experiment": "a name"}},
    ]
    tasks.write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert preloads(tasks) == ["lab.alone", "opener", "lab.inside", "lab.dotted"]
