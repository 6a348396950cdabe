"""`pip install tmgg` brings no torch and no Lightning; only the built-in experiments miss them."""

import json
from pathlib import Path

from tests.light_core.bare import run_bare
from tmgg.experiment_utils.extras import install_command

COMMAND = f"Install it: {install_command('experiments')}"
IMPORT_ALL = """
import importlib, pkgutil
for name in ("hydra_plugins", "tmgg.cli", "tmgg.hydra_plugins", "tmgg.experiment_utils"):
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, f"{name}."):
        if name == "hydra_plugins" and not found.name.endswith(".tmgg_launcher"):
            continue  # other packages put theirs there
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
            print(found.name)
"""
JOB_WITHOUT = """
import json
from dataclasses import replace
from tmgg.experiment_utils.cloud import LocalRunner, compose_config
runner = LocalRunner()
runner.runs.backend.traits = replace(runner.runs.traits, shares_environment=False)
result = runner.run_experiment(compose_config(["+stage=stage1_poc"]))
print(json.dumps([result.failure.kind, result.failure.message]))
"""
APP = """
import hydra

@hydra.main(version_base="1.3", config_path=None)
def main(config):
    return {"square": config.x ** 2}

main()
"""


def test_launcher_commands_and_job_side_import_without_the_experiments_packages(
    tmp_path: Path,
) -> None:
    names = run_bare(tmp_path, "-c", IMPORT_ALL).stdout.split()

    assert len(names) > 150
    assert {
        "tmgg.experiment_utils.job.execute",
        "tmgg.cli.jobs",
        "hydra_plugins.tmgg_launcher",
    } <= {*names}


def test_a_built_in_experiment_without_its_packages_names_the_command(tmp_path: Path) -> None:
    ended = run_bare(tmp_path, "-m", "tmgg.cli.experiment", "+stage=stage1_poc", check=False)

    assert ended.returncode != 0
    assert COMMAND in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_public_name_that_needs_them_says_so_and_the_others_are_there(tmp_path: Path) -> None:
    bare = run_bare(tmp_path, "-c", "import tmgg; tmgg.current_run; tmgg.load", check=False)

    assert bare.returncode != 0
    assert COMMAND in bare.stderr


def test_it_is_refused_before_anything_is_submitted(tmp_path: Path) -> None:
    for mode in ([], ["-m"]):
        ended = run_bare(
            tmp_path,
            "-m",
            "tmgg.cli.experiment",
            *mode,
            "+stage=stage1_poc",
            "hydra/launcher=tmgg_local",
            check=False,
        )

        assert ended.returncode != 0
        assert COMMAND in ended.stderr
        assert not (tmp_path / "local_outputs").exists()


def test_a_job_without_them_says_so(tmp_path: Path) -> None:
    ended = run_bare(tmp_path, "-c", JOB_WITHOUT)

    kind, message = json.loads(ended.stdout.splitlines()[-1])
    assert kind == "environment"
    assert COMMAND in message


def test_a_sweep_of_ones_own_needs_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)

    ended = run_bare(tmp_path, "app.py", "-m", "+x=2,3", "hydra/launcher=tmgg_local")

    assert "9" in ended.stdout
    assert ended.stdout.count("completed") >= 2
