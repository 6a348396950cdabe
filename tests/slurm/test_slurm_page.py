"""docs/slurm.md, and the README's Python, on a real cluster, as printed.

Only what a site must have is added: the `module` command, an environment to activate, and a number
of nodes that exist. The experiment is the page's own, with few steps of training.
"""

import json
from pathlib import Path

import pytest

from tests.docs.examples import Command, Script, WriteFile, parse_examples
from tests.slurm.login import PYTHON, Login

# Ray on all nodes for each of them: minutes on two cores.
pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "slurm.md"
STEPS = parse_examples(PAGE)
FEW_STEPS = (
    "trainer.steps=10", "trainer.validate_every=10", "trainer.checkpoint_every=10",
    "data.validation_graphs=8",
)  # fmt: skip
TMGG_EXPERIMENT = (str(PYTHON), "-m", "tmgg.cli.experiment")
RUN_S = 240


@pytest.fixture
def site(alice: Login) -> Login:
    """Alice at a site with modules and an environment to activate."""
    alice.write("bin/module", '#!/bin/sh\n[ "$1" = load ]\n', mode=0o755)
    alice.write("bin/conda", '#!/bin/sh\n[ "$1" = activate ]\n', mode=0o755)
    alice.write("bin/activate", "export ACTIVATED=$1\n")
    return alice


def environment(site: Login) -> dict[str, str]:
    return {"PATH": f"{site.folder}/bin:{site.environment['PATH']}"}


def scripts(*beginnings: str) -> list[str]:
    """The page's Python examples, found by text that they hold."""
    texts = [step.text for step in STEPS if isinstance(step, Script)]
    return [next(text for text in texts if beginning in text) for beginning in beginnings]


@pytest.mark.parametrize("nodes", [1, 3])
def test_the_first_command_brings_the_metrics_of_the_built_in_experiment(
    site: Login, nodes: int
) -> None:
    first = next(step.argv for step in STEPS if isinstance(step, Command))
    assert first == ("tmgg-experiment", "+stage=stage1_poc", "hydra/launcher=tmgg_slurm")
    done = site.run(
        *TMGG_EXPERIMENT, *first[1:], *FEW_STEPS, f"hydra.launcher.slurm_nodes={nodes}",
        timeout_s=RUN_S,
    )  # fmt: skip
    assert "gap_closed" in done.stdout
    (result,) = site.host_folder.glob("slurm_outputs/*/1/result.json")
    assert len(json.loads(result.read_text())["ray_nodes"]) == nodes


def test_a_launcher_file_of_ones_own_works_unchanged(site: Login) -> None:
    (file,) = [step for step in STEPS if isinstance(step, WriteFile)]
    site.write(file.name, file.text)
    command = next(step.argv for step in STEPS if isinstance(step, Command) and
                   "--config-dir" in step.argv)  # fmt: skip
    done = site.run(
        *TMGG_EXPERIMENT, *command[1:], *FEW_STEPS, timeout_s=RUN_S, env=environment(site)
    )
    assert "gap_closed" in done.stdout
    (script,) = site.host_folder.glob("slurm_outputs/*/1/job.sh")
    for line in ("--nodes=2", "--cpus-per-task=16", "--gpus-per-task=4", "--partition=ml-gpu"):
        assert f"#SBATCH {line}\n" in script.read_text()


def test_the_readmes_python_runs_as_printed(site: Login) -> None:
    (example,) = [step for step in parse_examples(ROOT / "README.md") if isinstance(step, Script)]
    done = site.run(str(PYTHON), "-c", example.text, timeout_s=RUN_S)
    assert done.stdout.startswith("completed {'val_loss': ")


def test_the_python_examples_run_as_printed(site: Login) -> None:
    run, spawn, sweep = scripts("run_experiment", "spawn_experiment", "run_sweep")
    with_few_steps = run.replace('"scale=smoke"', ", ".join(map(repr, ("scale=smoke", *FEW_STEPS))))
    assert with_few_steps != run
    code = "\n".join(
        [
            with_few_steps,
            "assert result.status == 'completed', result.error_message",
            "config = experiment_config",
            spawn,
            "assert status in ('pending', 'running')",
            "assert result.status == 'completed', result.error_message",
            "config1 = config2 = config3 = experiment_config",
            sweep,
            "import json",
            "print(json.dumps([item.status for item in results]))",
        ]
    )
    statuses = site.python(code, timeout_s=4 * RUN_S, env=environment(site))
    assert statuses == ["completed"] * 3
