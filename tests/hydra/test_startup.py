"""What the command line does not load, so that it answers at once."""

import subprocess
import sys

import hydra
import pytest

import tmgg
from tests.hydra.conftest import Lab
from tmgg.cli import experiment

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


INTERRUPTED = """
import sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name in ("hydra", "typer"):
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
from tmgg.cli import start
start.{command}()
"""


@pytest.mark.parametrize(
    ("command", "words"),
    [("experiment", "nothing was submitted"), ("jobs", "that alone ends no run")],
)
def test_ctrl_c_while_the_command_loads_shows_no_traceback(command: str, words: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(command=command)],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (130, f"\ninterrupted; {words}\n")


def test_ctrl_c_while_a_single_run_is_composed_says_that_nothing_was_submitted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "find_single_run", interrupt)
    ended = lab.run("hydra/launcher=tmgg_slurm")

    assert (ended.code, ended.err) == (130, "\ninterrupted; nothing was submitted\n")
