"""docs/ranks.md on a real cluster, as printed but for what a job asks for."""

import json
from pathlib import Path

import pytest

from tests.docs.examples import Command, WriteFile, parse_examples
from tests.slurm.login import PYTHON, Login

pytestmark = pytest.mark.long
PAGE = Path(__file__).parents[2] / "docs" / "ranks.md"
LITTLE = {"cpus_per_task": 1, "gpus_per_task": 0, "mem_per_cpu": "1GB", "exclusive": "false"}


def test_the_training_of_the_page_trains_in_four_ranks(alice: Login) -> None:
    script, command = parse_examples(PAGE)
    assert isinstance(script, WriteFile)
    assert isinstance(command, Command)
    alice.write(script.name, script.text)
    little = [f"hydra.launcher.slurm_{name}={value}" for name, value in LITTLE.items()]
    done = alice.run(str(PYTHON), *command.argv[1:], *little, timeout_s=280)
    left = alice.host_folder.glob("slurm_outputs/*/1/result.json")
    results = [json.loads(path.read_text()) for path in left]
    assert [result["status"] for result in results] == ["completed"] * 2, done.stderr
    assert [result["metrics"]["ranks"] for result in results] == [4, 4]
    assert len({result["metrics"]["loss"] for result in results}) == 2
