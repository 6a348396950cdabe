"""What the command line does not load, so that it answers at once."""

import subprocess
import sys

import hydra
import pytest

import tmgg
from tests.hydra.conftest import Lab

HEAVY = ("torch", "ray", "modal", "pytorch_lightning", "numpy", "pandas", "rich.console")
PROBE = """
import sys
sys.argv = ["tmgg-experiment", *{arguments!r}]
from tmgg.cli.experiment import main
try:
    main()
finally:
    print("LOADED", [name for name in {heavy!r} if name in sys.modules])
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["hydra/launcher=tmgg_slurm", "--dry-run"], ["--cfg", "job"]],
    ids=["help", "dry-run", "cfg"],
)
def test_showing_things_loads_nothing_heavy(arguments: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROBE.format(arguments=arguments, heavy=HEAVY)],
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )

    assert ended.stdout.splitlines()[-1] == "LOADED []"


def test_importing_the_command_sets_nothing_in_hydra() -> None:
    code = "import tmgg.cli.experiment, hydra.version; print(hydra.version.getbase())"
    code = f"import hydra.version as v; before = v.getbase(); {code}; assert v.getbase() is before"
    subprocess.run([sys.executable, "-c", code], timeout=150, check=True, stdout=subprocess.PIPE)


def test_help_is_about_this_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tmgg.cli.experiment", "--help"],
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )

    assert ended.stdout.startswith("tmgg-experiment runs one experiment config")
    assert "--dry-run" in ended.stdout
    assert "stage1_poc" in ended.stdout


def test_the_version_is_tmggs_and_hydras_is_beside_it(lab: Lab) -> None:
    ended = lab.run("--version", config=())
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"tmgg {tmgg.__version__} (Hydra {hydra.__version__})\n"
