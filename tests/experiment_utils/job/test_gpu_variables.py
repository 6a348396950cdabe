"""GPUs of each vendor as Slurm names them reach Ray and torch, in every bootstrap.

What Ray and torch see is asked of their own code, with a node that would have such GPUs.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tmgg.experiment_utils.job.context import Rank, this_machine
from tmgg.experiment_utils.job.gpu_variables import (
    count_visible,
    translate_own,
    translated,
    visible_devices,
)
from tmgg.experiment_utils.packed.node_share import divide
from tmgg.experiment_utils.ranks import beside_ray
from tmgg.experiment_utils.ranks import environment as ranks
from tmgg.experiment_utils.ray_cluster import ray_command

CUDA, HIP, ROCR = "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"
ZE, ONEAPI = "ZE_AFFINITY_MASK", "ONEAPI_DEVICE_SELECTOR"
# What Slurm, or a site's prolog, sets in a job that has the GPUs 2 and 3 of a node.
GIVEN = {
    "nvidia": {CUDA: "2,3"},
    "amd": {ROCR: "2,3", "GPU_DEVICE_ORDINAL": "2,3"},
    "amd, vendor unknown to Slurm": {CUDA: "2,3", ROCR: "2,3", "GPU_DEVICE_ORDINAL": "2,3"},
    "nvidia, vendor unknown to Slurm": {CUDA: "2,3", ROCR: "2,3", "GPU_DEVICE_ORDINAL": "2,3"},
    "intel": {ZE: "2,3"},
    "intel, by a selector": {ONEAPI: "level_zero:2,3"},
}
READ_BY = {"nvidia": CUDA, "amd": HIP, "intel": ZE}


def by_exec(given: Mapping[str, str]) -> dict[str, str]:
    """The environment that symmetric-run has, by the module that starts it."""
    shown = subprocess.run(
        [sys.executable, "-m", "tmgg.experiment_utils.job.slurm_step", "env", "-0"],
        env={**os.environ, **given}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return dict(line.split("=", 1) for line in shown.stdout.split("\0") if line)


def by_itself(given: Mapping[str, str]) -> dict[str, str]:
    own = dict(given)
    translate_own(own)
    return own


def of_managed(given: Mapping[str, str]) -> dict[str, str]:
    return ray_command.render_environment(
        given, scratch=Path("/tmp/x"), token=Path("/t"), interface=None
    )


def of_rank(given: Mapping[str, str]) -> dict[str, str]:
    rank = Rank(rank=0, world_size=1, local_rank=0, local_world_size=1, node_rank=0)
    return ranks.render_environment(given, rank, ranks.MeetingPoint("a", 1), interface=None)


BOOTSTRAPS: dict[str, Callable[[Mapping[str, str]], dict[str, str]]] = {
    "symmetric-run": by_exec,
    "managed": of_managed,
    "ranks": of_rank,
    "none": by_itself,
}


def ray_of(vendor: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ray's own manager of GPUs on a node of this vendor."""
    accelerators = pytest.importorskip("ray._private.accelerators")
    for name in ("AMD", "Intel", "AppleGPU", "MetaxGPU"):
        manager = next(
            each
            for each in accelerators.get_all_accelerator_managers()
            if each.__name__.startswith(name)
        )
        count = 4 if name.lower() == vendor else 0
        monkeypatch.setattr(
            manager, "get_current_node_num_accelerators", staticmethod(lambda n=count: n)
        )
    chosen = accelerators.get_accelerator_manager_for_resource
    monkeypatch.delattr(chosen, "_resource_name_to_accelerator_manager", raising=False)
    found = chosen("GPU")
    monkeypatch.delattr(chosen, "_resource_name_to_accelerator_manager", raising=False)
    return found


@pytest.mark.parametrize("bootstrap", BOOTSTRAPS)
@pytest.mark.parametrize("case", GIVEN)
def test_ray_sees_the_jobs_gpus_and_gives_a_worker_one_of_them(
    case: str, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = case.partition(",")[0]
    environment = BOOTSTRAPS[bootstrap](GIVEN[case])
    manager = ray_of(vendor, monkeypatch)
    monkeypatch.setattr(os, "environ", dict(environment))
    assert manager.get_current_process_visible_accelerator_ids() == ["2", "3"]
    manager.set_current_process_visible_accelerator_ids(["3"])
    assert os.environ[READ_BY[vendor]] == "3"
    # Below these a device would be counted anew from 0, and 3 would be none.
    assert ROCR not in os.environ
    assert ONEAPI not in os.environ


def test_torch_for_amd_sees_the_jobs_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.version, "hip", "6.2")
    monkeypatch.setattr(os, "environ", by_itself(GIVEN["amd, vendor unknown to Slurm"]))
    assert torch.cuda._parse_visible_devices() == [2, 3]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {HIP: "0", ROCR: "3"},  # somebody counted from 0 below the other
        {ONEAPI: "level_zero:gpu"},
        {ONEAPI: "*:cpu"},
        {ONEAPI: "0,1", ZE: "2,3"},
        {CUDA: "GPU-8932f937,MIG-1"},
    ],
)
def test_what_needs_no_translation_stays(given: dict[str, str]) -> None:
    assert translated(given) == given


@pytest.mark.parametrize("case", GIVEN)
def test_a_second_translation_changes_nothing(case: str) -> None:
    once = translated(GIVEN[case])
    assert translated(once) == once


@pytest.mark.parametrize("case", GIVEN)
def test_packed_runs_have_a_gpu_each(case: str) -> None:
    vendor = case.partition(",")[0]
    devices = visible_devices(of_managed(GIVEN[case]))
    shares = divide(runs=2, cpus=2, affinity=[0, 1], gpus=devices)
    assert [share.environment[READ_BY[vendor]] for share in shares] == ["2", "3"]
    # Nor does a variable of another vendor lead to all of them.
    assert all(set(share.environment.values()) <= {"2", "3"} for share in shares)


@pytest.mark.parametrize(
    ("given", "count"),
    [
        *((given, 2) for given in GIVEN.values()),
        ({}, None),
        ({CUDA: ""}, 0),
        ({CUDA: "NoDevFiles", ROCR: "NoDevFiles"}, 0),
        ({CUDA: "0,-1,1"}, 1),
        ({CUDA: "GPU-8932f937,MIG-1"}, 2),
    ],
)
def test_the_gpus_of_a_process_are_counted(
    given: dict[str, str], count: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert count_visible(given) == count
    monkeypatch.setattr(os, "environ", given)
    assert this_machine().gpus == (count or 0)


def test_a_step_below_ray_gets_its_gpus_from_slurm_alone() -> None:
    around = of_managed({ROCR: "0,1", "SLURM_JOB_GPUS": "0,1"})
    assert HIP in around
    found = beside_ray.render_environment(around)
    assert not {HIP, ROCR, CUDA, ZE} & set(found)
    # Where Slurm hands out none, a person's or the site's own choice is kept.
    assert beside_ray.render_environment({HIP: "1"}) == {HIP: "1"}
