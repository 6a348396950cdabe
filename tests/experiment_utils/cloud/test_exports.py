"""The public names, and that they are what they say."""

import importlib
import importlib.util
import subprocess
import sys

import pytest

from tmgg.experiment_utils import cloud
from tmgg.experiment_utils.cloud.factory import BACKENDS, make_runner
from tmgg.experiment_utils.cloud.runner import CloudRunner


def test_the_public_names_are_these() -> None:
    assert cloud.__all__ == sorted(cloud.__all__)
    assert set(cloud.__all__) == {
        "CloudRunner", "ExperimentResult", "LocalConfig", "LocalRunner", "ModalConfig",
        "ModalRunner", "RayConfig", "RayRunner", "RunState", "SlurmConfig", "SlurmRunner",
        "SpawnedSweep", "SpawnedTask", "SweepPolicy", "TaskRequest", "compose_config",
        "make_runner",
    }  # fmt: skip
    assert dir(cloud) == cloud.__all__


@pytest.mark.parametrize("name", cloud.__all__)
def test_each_public_name_is_there_under_its_own_name(name: str) -> None:
    assert getattr(cloud, name).__name__ == name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'SlrumRunner'"):
        cloud.SlrumRunner  # noqa: B018


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_backend_is_made_by_its_name(backend: str) -> None:
    runner = make_runner(backend)
    assert isinstance(runner, CloudRunner)
    assert runner.backend == backend
    assert make_runner(backend, {"output_dir": "elsewhere"}).backend == backend


def test_a_backend_is_imported_when_it_is_chosen() -> None:
    code = """
import sys
from tmgg.experiment_utils.cloud import make_runner
names = ("slurm", "local", "modal", "ray")
backends = [f"tmgg.experiment_utils.cloud.{name}" for name in names]
assert not [name for name in sys.modules if name.startswith(tuple(backends))]
make_runner("local")
assert "tmgg.experiment_utils.cloud.slurm.runner" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=150)


def test_each_backends_module_exists() -> None:
    for target in BACKENDS.values():
        module, _, function = target.partition(":")
        assert importlib.util.find_spec(module) is not None
        assert callable(getattr(importlib.import_module(module), function))
