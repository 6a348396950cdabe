"""Each registered model, trained by two nodes of an allocation, comes to what one process does."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.slurm.training import RAY, log, nodes_of, spawn
from tests.slurm.trial import Trial
from tmgg import compose_config
from tmgg.models import MODELS
from tmgg.training.experiment import run


def stage1(model: str) -> dict[str, Any]:
    """`+stage=stage1_poc` of this model, all steps of it, tested on fewer graphs."""
    asked = ["+stage=stage1_poc", f"model={model}", "trainer.bayes=off", "data.test_graphs=64"]
    config = OmegaConf.to_container(compose_config(asked), resolve=True)
    assert isinstance(config, dict)
    return {str(key): value for key, value in config.items() if key != "experiment"}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("model", list(MODELS))
def test_two_nodes_come_to_what_one_process_comes_to(
    trial: Trial, tmp_path: Path, model: str
) -> None:
    trial.settings |= RAY | {"nodes": 2}
    run_id = spawn(trial, stage1(model))
    allocated = nodes_of(trial, run_id)
    alone = run({**stage1(model), "output_dir": str(tmp_path)})
    result = trial.result(run_id, timeout_s=600)
    assert result["status"] == "completed", log(trial, run_id)
    assert {worker["node"] for worker in result["workers"]} == set(allocated)
    for name in ("val_loss", "test_loss"):
        assert result["metrics"][name] == pytest.approx(float(alone[name]), abs=1e-6)
