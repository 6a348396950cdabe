"""docs/test-cluster.md: its commands and its script, one after the other, as printed."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_cluster import Cluster, ClusterOptions
from tests.docs.examples import Command, Script, parse_examples

pytestmark = [pytest.mark.slurm, pytest.mark.ray, pytest.mark.long]

PROJECT = Path(__file__).parents[2]
STEPS = parse_examples(PROJECT / "docs" / "test-cluster.md")
# A reader's cluster has no name; one of that kind may be up here already.
NAME = "page"
SAID = {
    ("run", "--", "sinfo"): "node[1-3]",
    ("run", "--", "srun", "--nodes=3", "hostname"): "node3",
    ("status",): "slurmctld",
}


@pytest.fixture(autouse=True)
def nothing_left(can_run_slurm: None) -> Iterator[None]:
    yield
    Cluster(ClusterOptions(name=NAME)).down(purge=True)


def test_every_command_of_the_page_works() -> None:
    commands = [step.argv for step in STEPS if isinstance(step, Command)]
    assert len(commands) == 8
    assert set(SAID) <= {argv[4:] for argv in commands}
    for argv in commands:
        said = run(argv)
        assert SAID.get(argv[4:], "") in said
    assert "gap_closed" in said


def test_the_script_of_the_page_works() -> None:
    (script,) = [step.text for step in STEPS if isinstance(step, Script)]
    done = python("-c", script.replace('"mine"', f'"{NAME}"'))
    assert done.strip() in ("node1", "node2")


def run(argv: tuple[str, ...]) -> str:
    """A line of the page. The tests are root already, and their environment may be elsewhere."""
    assert argv[:4] == ("sudo", "python3", "-m", "slurm_cluster")
    verb, *rest = [
        item.replace("$PWD/.venv", sys.prefix).replace("$PWD", str(PROJECT)) for item in argv[4:]
    ]
    return python("-m", "slurm_cluster", verb, "--name", NAME, *rest)


def python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout
