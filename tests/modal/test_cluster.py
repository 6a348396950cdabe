"""Several containers as one Ray cluster."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tmgg.experiment_utils.cloud import ModalConfig, ModalRunner

if TYPE_CHECKING:
    from tests.modal.standin.server import StandIn


@pytest.mark.ray
@pytest.mark.long
def test_two_containers_are_one_ray_cluster(
    modal_server: "StandIn", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMGG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    runner = ModalRunner(
        ModalConfig(
            nodes=2,
            gpu_type="H100",
            gpus_per_task=8,
            local_packages=("tests.modal.lab",),
            output_dir=str(tmp_path / "runs"),
        )
    )

    result = runner.run_experiment({"experiment": {"_target_": "tests.modal.lab:nodes"}})

    assert result.metrics == {"nodes": 2}, result.error_message
    assert len(result.nodes) == 2
