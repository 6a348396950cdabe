"""GPUs by their names, before anybody is asked."""

import pytest

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud import ModalConfig
from tmgg.experiment_utils.cloud.modal.gpus import GPUS, render_gpu


@pytest.mark.parametrize("name", GPUS)
def test_every_gpu_may_be_asked_for_up_to_its_number(name: str) -> None:
    most = GPUS[name].most
    assert render_gpu(name, 1) == name
    assert render_gpu(name.lower(), most) == f"{name}:{most}"
    with pytest.raises(ConfigError, match=f"at most {most}: a container has at most {most} of"):
        render_gpu(name, most + 1)


def test_no_gpu_is_none() -> None:
    assert ModalConfig().gpu is None
    assert ModalConfig(gpus_per_task=8).gpu is None


def test_a_mistyped_gpu_is_named_with_its_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'H10O'.*Did you mean 'H100'"):
        ModalConfig(gpu_type="H10O")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nodes": 2}, "needs a gpu_type"),
        ({"gpus_per_task": 9}, "gpus_per_task=9"),
        ({"timeout_seconds": 90_000}, "1 to 86400"),
        ({"volumes": ["/data"]}, "must map mount paths"),
        ({"volumes": {"data": "v"}}, "absolute"),
        ({"local_packages": ["my-package"]}, "my_package"),
        ({"requirements": "scipy"}, "must be a list"),
        ({"app_name": "a b"}, "app_name="),
        ({"cpus_per_task": 0}, "cpus_per_task=0"),
        ({"gpu_typ": "T4"}, "Did you mean .gpu_type"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ModalConfig.from_mapping(options)


def test_a_config_is_the_same_after_a_record() -> None:
    config = ModalConfig(gpu_type="H100", secrets=("aws",), volumes={"/data": "data"})
    assert ModalConfig.from_mapping(config.to_json()) == config
