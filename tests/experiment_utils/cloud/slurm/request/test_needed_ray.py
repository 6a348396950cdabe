"""Jobs that would start Ray in an environment without it."""

from typing import Any

import pytest

from tmgg.errors import ConfigError
from tmgg.experiment_utils.cloud.slurm.config import SlurmConfig
from tmgg.experiment_utils.cloud.slurm.request.needed_ray import (
    check_ray_is_here,
    has_this_environment,
)

ONE_NODE: dict[str, Any] = {"nodes": 1}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (ONE_NODE, r"\(slurm_ray_bootstrap=auto\).* set slurm_ray_bootstrap=none\. "),
        (ONE_NODE | {"ray_bootstrap": "managed"}, r"\(slurm_ray_bootstrap=managed\)"),
        ({"nodes": 2}, r"=none and slurm_nodes=1 \(or slurm_tasks_per_node=1 "),
        (
            ONE_NODE | {"sweep_mode": "packed"},
            r"\(slurm_sweep_mode=packed\).*=none and slurm_sweep_mode=array\. ",
        ),
    ],
)
def test_the_message_says_what_starts_ray_and_what_does_not(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        check_ray_is_here(SlurmConfig(**options), has_ray=False)


@pytest.mark.parametrize(
    "options",
    [ONE_NODE | {"ray_bootstrap": "none"}, {"nodes": 2, "tasks_per_node": 1}],
)
def test_jobs_that_start_no_ray_need_none(options: dict[str, Any]) -> None:
    check_ray_is_here(SlurmConfig(**options), has_ray=False)


def test_with_ray_here_nothing_is_refused() -> None:
    check_ray_is_here(SlurmConfig(), has_ray=True)


@pytest.mark.parametrize(
    "options",
    [
        {"setup_commands": ("module load ray",)},
        {"python": "/opt/python/bin/python"},
        {"script_template": "site.sh"},
        {"extra_args": ("--container=/images/ray",)},
        {"sbatch_options": {"container-image": "ray.sqsh"}},
    ],
)
def test_jobs_may_have_another_environment(options: dict[str, Any]) -> None:
    assert not has_this_environment(SlurmConfig(**options))


@pytest.mark.parametrize("options", [{}, {"sbatch_options": {"licenses": "matlab"}}])
def test_or_certainly_that_of_the_launch(options: dict[str, Any]) -> None:
    assert has_this_environment(SlurmConfig(**options))
