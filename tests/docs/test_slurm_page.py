"""docs/slurm.md: its commands, files and settings, with a stand-in for Slurm.

`tests/slurm/test_slurm_page.py` runs them on a real cluster.
"""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.docs.examples import Command, Script, WriteFile, parse_examples
from tests.hydra.conftest import Lab, lab
from tmgg.experiment_utils.cloud import SlurmConfig
from tmgg.hydra_plugins.launcher_options import launcher_table

__all__ = ["lab"]
PAGE = Path(__file__).parents[2] / "docs" / "slurm.md"
STEPS = parse_examples(PAGE)
COMMANDS = [step.argv for step in STEPS if isinstance(step, Command)]


def test_every_command_of_the_page_is_run_by_a_test() -> None:
    # Those of Slurm itself: tests/slurm/test_main_job.py.
    slurms = {"squeue", "scontrol", "tail", "cat", "scancel", "sacct"}
    assert {argv[0] for argv in COMMANDS} == {"tmgg-experiment", *slurms}
    assert sum(argv[0] == "tmgg-experiment" for argv in COMMANDS) == 3


def test_the_commands_submit_what_the_page_says(lab: Lab) -> None:
    for step in STEPS:
        if isinstance(step, WriteFile):
            lab.write(step.name, step.text)
    scripts = [_dry_run(lab, argv) for argv in COMMANDS if argv[0] == "tmgg-experiment"]
    default, overridden, own = scripts
    for line in ("--partition=gpu", "--nodes=4", "--time=08:00:00"):
        assert f"#SBATCH {line}\n" in default
    for line in ("--partition=batch", "--nodes=8", "--time=12:00:00"):
        assert f"#SBATCH {line}\n" in overridden
    for line in ("--partition=ml-gpu", "--nodes=2", "--cpus-per-task=16", "--gpus-per-task=4",
                 "--time=04:00:00", "--mem-per-cpu=8GB"):  # fmt: skip
        assert f"#SBATCH {line}\n" in own
    assert "\nmodule load cuda/12.1\nmodule load anaconda3\nsource activate tmgg\n" in own


def test_the_table_shows_the_defaults() -> None:
    page, table = PAGE.read_text(), launcher_table("slurm")
    for key in (
        "slurm_partition", "slurm_nodes", "slurm_cpus_per_task", "slurm_gpus_per_task",
        "slurm_time_limit", "slurm_mem_per_cpu", "slurm_setup_commands", "timeout_seconds",
    ):  # fmt: skip
        quoted = key in ("slurm_time_limit", "slurm_mem_per_cpu")
        shown = f'"{table[key]}"' if quoted else table[key]
        assert f"| `{key}` | `{shown}` |" in page


@pytest.mark.parametrize(
    "text",
    [step.text for step in STEPS if isinstance(step, Script) and "SlurmConfig(" in step.text],
)
def test_the_settings_in_python_can_be(text: str) -> None:
    settings = text[text.index("config = SlurmConfig(") :].partition("\n)\n")[0] + "\n)"
    names = {"SlurmConfig": SlurmConfig}
    exec(settings, names)
    assert isinstance(names["config"], SlurmConfig)


def test_the_setup_commands_on_the_page_can_be() -> None:
    blocks = [text.partition("```")[0] for text in PAGE.read_text().split("```yaml\n")[1:]]
    shown = [block for block in blocks if block.startswith("slurm_setup_commands")]
    assert shown
    for block in shown:
        SlurmConfig(setup_commands=tuple(OmegaConf.create(block).slurm_setup_commands))


def _dry_run(lab: Lab, argv: tuple[str, ...]) -> str:
    shown = lab.run(*argv[1:], "--dry-run", config=())
    assert shown.code == 0, shown.err
    return shown.out
