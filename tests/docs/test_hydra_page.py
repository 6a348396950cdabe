"""docs/hydra.md: every example does what the page says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import Command, Script, WriteFile, parse_examples
from tests.docs.in_short import run_in_short, short_experiment
from tests.hydra.conftest import Lab, lab

__all__ = ["lab"]
PAGE = Path(__file__).parents[2] / "docs" / "hydra.md"


def test_every_example_of_the_page_works(lab: Lab) -> None:
    steps = parse_examples(PAGE)
    assert sum(isinstance(step, Command) for step in steps) >= 12
    short_experiment(lab)
    for step in steps:
        if isinstance(step, WriteFile):
            lab.write(step.name, step.text)
        elif isinstance(step, Script):
            assert _python("-c", step.text) == "4\n"
        else:
            _run(lab, list(step.argv))

    assert lab.find("outputs/*/*/notes.txt"), "the own experiment wrote where Hydra says"
    assert lab.find("slurm_outputs/*/output/notes.txt"), "and in the run's folder on a backend"
    assert lab.find("multirun/*/*/2/notes.txt"), "and in the sweep's"


def test_the_table_of_keys_is_complete() -> None:
    from tmgg.hydra_plugins.launcher_options import launcher_table

    page = PAGE.read_text()
    for key, value in (launcher_table("slurm") | launcher_table("local")).items():
        if not key.startswith(("slurm_", "_", "use_")):
            shown = value if isinstance(value, str) else json.dumps(value).replace('"', "")
            assert f"| `{key}` | `{shown}` |" in page


def _run(lab: Lab, argv: list[str]) -> None:
    if argv[0] == "python":
        # The stand-in for Slurm lives in this process, so a script's jobs are local ones.
        slurm = [item for item in argv if item.startswith("hydra.launcher.slurm_")]
        assert "hydra/launcher=tmgg_slurm" in argv
        _python(*(_local(item) for item in argv[1:] if item not in slurm))
        return
    _check(argv, run_in_short(lab, argv))


def _check(argv: list[str], said: str) -> None:
    if "--dry-run" in argv:
        assert "#SBATCH --nodes=4" in said
        assert "nothing was submitted" in said
    elif "hydra.launcher.detach=true" in argv:
        assert "tmgg-jobs wait" in said
    elif "--cfg" not in argv:
        assert "loss" in said or "steps" in said


def _local(argument: str) -> str:
    return argument.replace("tmgg_slurm", "tmgg_local")


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=150, check=False
    )
    if done.returncode:
        pytest.fail(done.stderr)
    return done.stdout
