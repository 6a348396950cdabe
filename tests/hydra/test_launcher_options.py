"""The launcher table: one source of names and defaults, the YAML files its mirror."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import tmgg.exp_configs
from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import LocalConfig, LocalRunner, SlurmConfig, SlurmRunner
from tmgg.experiment_utils.cloud.factory import CONFIG_CLASSES
from tmgg.hydra_plugins.launcher_options import (
    parse_options,
    unknown_key,
)

LAUNCHERS = Path(str(tmgg.exp_configs.__file__)).parent / "hydra" / "launcher"
SPECIFIED = {
    "slurm_partition": "gpu",
    "slurm_nodes": 4,
    "slurm_cpus_per_task": 8,
    "slurm_gpus_per_task": 1,
    "slurm_time_limit": "08:00:00",
    "slurm_mem_per_cpu": "4GB",
    "slurm_setup_commands": [],
    "timeout_seconds": 28800,
}


@pytest.mark.parametrize("backend", CONFIG_CLASSES)
def test_every_launcher_has_its_yaml(backend: str) -> None:
    assert (LAUNCHERS / f"tmgg_{backend}.yaml").exists()
    assert len(list(LAUNCHERS.iterdir())) == len(CONFIG_CLASSES)


def test_the_specified_options_have_the_specified_defaults_and_come_first() -> None:
    found = OmegaConf.to_container(OmegaConf.load(LAUNCHERS / "tmgg_slurm.yaml"))
    assert isinstance(found, dict)

    assert {key: found[key] for key in SPECIFIED} == SPECIFIED
    assert list(found)[:10] == ["_target_", "use_slurm", *SPECIFIED]


def test_every_field_of_slurm_config_is_a_key_that_reaches_the_runner() -> None:
    other: dict[str, Any] = {
        "nodes": 2,
        "setup_commands": ["module load cuda"],
        "extra_args": ["--licenses=matlab"],
        "exclusive": False,
        "requeue": True,
        "ray_port": 6380,
        "min_worker_port": 20002,
        "max_worker_port": 29999,
        "time_limit": "01:00:00",
        "mem_per_cpu": "8GB",
        "gpu_request": "gres",
        "sbatch_options": {"nice": 100},
        "mail_type": "END",
        "dependency": "afterok:1",
        "ray_bootstrap": "managed",
        "no_kill": True,
        "signal_lead_s": 300,
        "stop_signal": "USR1",
        "idle_gpu_minutes": 30,
        "sweep_mode": "packed",
        "runs_per_node": 2,
        "object_store_memory_mb": 500,
        "node_scratch": "/local",
    }
    # Ranks exclude a Ray and packed sweeps, and one way to ask for memory excludes the others.
    ranks: dict[str, Any] = {"tasks_per_node": 2, "gpu_binding": "task", "mem_per_node": "64GB"}
    by_gpu: dict[str, Any] = {"mem_per_gpu": "32GB"}
    for item in dataclasses.fields(SlurmConfig):
        if item.name not in other | ranks | by_gpu:
            number = isinstance(item.default, int | float)
            other[item.name] = item.default + 1 if number else "other"  # type: ignore[operator]

    defaults = SlurmConfig()
    for values in (other, ranks, by_gpu):
        given = {f"slurm_{name}": value for name, value in values.items()}
        runner = parse_options({"use_slurm": True, **given}).make_runner()
        assert isinstance(runner, SlurmRunner)
        for name, value in values.items():
            found = getattr(runner.config, name)
            assert found != getattr(defaults, name), f"{name} did not reach the runner"
            assert found == (tuple(value) if isinstance(found, tuple) else value)
    assert {item.name for item in dataclasses.fields(SlurmConfig)} == {*other, *ranks, *by_gpu}


def test_keys_that_are_absent_take_their_defaults() -> None:
    options = parse_options({"use_slurm": True})

    runner = options.make_runner()
    assert isinstance(runner, SlurmRunner)
    assert runner.config == SlurmConfig()
    assert (options.parallelism, options.timeout_seconds, options.detach) == (4, 28800, False)


def test_the_local_backend_has_keys_of_its_own(tmp_path: Path) -> None:
    runner = parse_options({"use_local": True, "local_output_dir": str(tmp_path)}).make_runner()

    assert isinstance(runner, LocalRunner)
    assert runner.config == LocalConfig(output_dir=str(tmp_path))


def test_keys_of_another_backend_are_allowed_so_that_one_yaml_serves_both() -> None:
    options = parse_options({"use_local": True, "use_slurm": False, "slurm_nodes": 2})

    assert options.backend == "local"
    assert options.backend_options == {}


def test_lists_and_interpolations_of_hydra_become_plain_values() -> None:
    config = OmegaConf.create(
        {
            "site": {"partition": "batch"},
            "launcher": {
                "_target_": "tmgg.hydra_plugins.tmgg_launcher.TmggLauncher",
                "_recursive_": False,
                "use_slurm": True,
                "slurm_partition": "${site.partition}",
                "slurm_setup_commands": ["echo ${site.partition}"],
            },
        }
    )

    options = parse_options(config.launcher)

    assert options.backend_options == {
        "partition": "batch",
        "setup_commands": ["echo batch"],
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "none is true"),
        ({"use_slurm": False}, "none is true"),
        ({"use_slurm": True, "use_local": True}, "use_slurm and use_local are true"),
        ({"use_slurm": "yes"}, "use_slurm='yes' must be true or false"),
        ({"use_slurm": True, "slurm_nods": 1}, "Did you mean slurm_nodes"),
        ({"use_slurm": True, "nodes": 1}, "unknown launcher key 'nodes'"),
        ({"use_slurm": True, "parallelism": True}, "parallelism"),
        ({"use_slurm": True, "timeout_seconds": 0}, "timeout_seconds=0"),
        ({"use_slurm": True, "cancel_on_interrupt": 1}, "cancel_on_interrupt"),
    ],
)
def test_what_cannot_be_is_an_error(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_options(given)


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    assert "Did you mean slurm_gpus_per_task or" in unknown_key("slurm_gpu_per_task")
    assert "Did you mean" not in unknown_key("xyzzy")


def test_errors_speak_of_the_launchers_key() -> None:
    with pytest.raises(ConfigError, match=r"^slurm_nodes=0 must be 1 to 65533"):
        parse_options({"use_slurm": True, "slurm_nodes": 0}).make_runner()
    with pytest.raises(ConfigError, match=r"^local_output_dir="):
        parse_options({"use_local": True, "local_output_dir": ""}).make_runner()


def test_errors_name_every_option_as_the_launcher_has_it() -> None:
    given = {"use_slurm": True, "slurm_tasks_per_node": 2, "slurm_ray_bootstrap": "symmetric-run"}
    with pytest.raises(ConfigError, match=r"Choose slurm_ray_bootstrap=managed") as error:
        parse_options(given).make_runner()
    assert "slurm_tasks_per_node=2 and slurm_ray_bootstrap='symmetric-run'" in str(error.value)
    assert "slurm_slurm" not in str(error.value)
