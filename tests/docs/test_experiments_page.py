"""The commands of docs/experiments.md and of the README do what the pages say."""

from pathlib import Path

import pytest

from tests.docs.examples import Command, WriteFile, parse_examples
from tests.docs.in_short import run_in_short, short_experiment
from tests.hydra.conftest import Lab, lab

__all__ = ["lab"]
ROOT = Path(__file__).parents[2]
# Of the README: what .ci/run does, an install, and the tutorial's.
ELSEWHERE = {
    ("sh", "setup.sh", "run"),
    ("sh", "setup.sh", "test"),
    ("pip", "install", ".[ray]"),
    (*["python", "train.py", "-m", "lr=0.001,0.01,0.5", "seed=1,2", "hydra/launcher=tmgg_slurm"],),
}


@pytest.mark.parametrize(("page", "least"), [("docs/experiments.md", 6), ("README.md", 2)])
def test_every_command_of_the_page_works(lab: Lab, page: str, least: int) -> None:
    steps = parse_examples(ROOT / page)
    for step in steps:
        if isinstance(step, WriteFile):
            lab.write(step.name, step.text)
    commands = {step.argv for step in steps if isinstance(step, Command)}
    commands -= ELSEWHERE
    assert len(commands) >= least
    short_experiment(lab)
    for argv in sorted(commands):
        assert "loss" in run_in_short(lab, argv)
