"""A resumed call gets the result of another launch only if all that it uses is the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.experiment_utils.cloud.futures.test_script_calls import said

SCRIPT = """
import json, sys
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner

with open(sys.argv[1]) as file:
    CFG = json.load(file)

def work(x):
    return CFG["rate"] * x

def reads(x):
    with open("rate.json") as file:
        return json.load(file)["rate"] * x

def main():
    runner = LocalRunner(LocalConfig(output_dir=sys.argv[2]))
    calls = [runner.map(each, [1], resume=True)[0] for each in (work, reads)]
    print(json.dumps([[each.run_id, each.result(60)] for each in calls]))

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def project(folder: Path) -> Path:
    for name, rate in (("one", 1), ("two", 2)):
        (folder / name).mkdir()
        (folder / name / "rate.json").write_text(json.dumps({"rate": rate}))
        (folder / name / "script.py").symlink_to(folder / "script.py")
    (folder / "script.py").write_text(SCRIPT)
    return folder


def launched(project: Path, name: str, rate: str = "rate.json") -> tuple[Any, str]:
    found, words = said(project / name, rate, str(project / "runs"))
    return found, words


def test_the_same_script_started_in_two_folders_makes_two_runs(project: Path) -> None:
    one, _ = launched(project, "one")
    two, words = launched(project, "two")
    assert [[value for _, value in each] for each in (one, two)] == [[1, 1], [2, 2]]
    assert "1 differs from an earlier run in the working directory" in words
    assert launched(project, "one")[0] == one


def test_what_the_script_has_read_while_it_was_loaded_counts(project: Path) -> None:
    (mine, _), _ = launched(project, "one")
    (other, _), words = launched(project, "one", str(project / "two" / "rate.json"))
    assert (mine[1], other[1]) == (1, 2)
    assert "1 differs from an earlier run in __main__.CFG" in words


def test_a_record_of_an_earlier_version_is_recognised_by_what_it_has(project: Path) -> None:
    first, _ = launched(project, "one")
    forget_inputs(project / "runs")
    again, words = launched(project, "one")
    assert again == first
    assert "1 of 1 recognised" in words

    script = project / "script.py"
    script.write_text(SCRIPT.replace("[1], resume", "[5], resume"))
    _, words = launched(project, "two")
    assert "differs from an earlier run in the arguments" in words


def forget_inputs(runs: Path) -> None:
    """Make the records like those of an earlier version."""
    keys: dict[str, str] = {}
    for path in [*runs.glob(".batches/*/tasks.jsonl"), *runs.glob("*/task.json")]:
        texts = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        tasks = [json.loads(text) for text in texts]
        for task in tasks:
            identity = task.get("task", task)["identity"]
            if "inputs" in identity:  # not yet changed under its other name
                old = identity.pop("key_without_inputs")
                keys[identity["key"]] = identity["key"] = old
                del identity["inputs"]
        path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    for path in runs.glob(".sweeps/*.json"):
        record = json.loads(path.read_text())
        for run in record["runs"]:
            run["key"] = keys[run["key"]]
        path.write_text(json.dumps(record))
