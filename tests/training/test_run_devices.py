"""What of a run's machines a training may use, and must."""

from pathlib import Path

import pytest

from tmgg.errors import ConfigError
from tmgg.experiment_utils.job.context import RunContext, RunNode
from tmgg.experiments.run_resources import granted_accelerator, require_busy_nodes


def context(*, nodes: int = 1, gpus: int = 0, ray: bool = False) -> RunContext:
    machine = RunNode(hostname="node", address="", cpus=8, gpus=gpus)
    return RunContext(
        run_id="r",
        output_dir=Path(),
        ray_address="10.0.0.1:6379" if ray else None,
        nodes=(machine,) * nodes,
    )


def accelerator(run: RunContext | None, wanted: str = "auto") -> str:
    return granted_accelerator(wanted, run)


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


def test_a_gpu_that_the_job_did_not_ask_for_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert accelerator(context(ray=True)) == "cpu"
    assert accelerator(context(ray=True, gpus=1)) == "auto"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert accelerator(context()) == "cpu"
    assert accelerator(context(gpus=1)) == "auto"


def test_on_a_machine_of_ones_own_every_gpu_is_ones_own() -> None:
    assert accelerator(None) == "auto"
    assert accelerator(context()) == "auto"


def test_a_gpu_that_is_named_is_used_or_an_error() -> None:
    assert accelerator(context(ray=True), "gpu") == "gpu"


def test_nodes_that_would_be_idle_are_an_error() -> None:
    said = "the run has 4 nodes and trains with trainer.workers=1, so 3 of them would be idle"
    with pytest.raises(ConfigError, match=said):
        require_busy_nodes(1, context(nodes=4), allow_idle=False)


def test_as_many_workers_as_nodes_leave_none_idle() -> None:
    require_busy_nodes(4, context(nodes=4), allow_idle=False)
    require_busy_nodes(1, None, allow_idle=False)


def test_idle_nodes_can_be_meant() -> None:
    require_busy_nodes(1, context(nodes=4), allow_idle=True)
