"""Other people's programs as ranks: nothing in them knows of TMGG."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.login import PYTHON
from tests.slurm.test_ranks import log
from tests.slurm.trial import Trial, new_id

HERE = Path(__file__).parent
TORCHRUN = """
import json, os, sys
import torch
import torch.distributed as dist

def main():
    dist.init_process_group("gloo", init_method="env://")
    assert int(os.environ["LOCAL_RANK"]) < int(os.environ["LOCAL_WORLD_SIZE"])
    total = torch.tensor([float(dist.get_rank() + 1)])
    dist.all_reduce(total)
    print(json.dumps({"world": dist.get_world_size(), "sum": total.item(), "steps": 1}))
    dist.destroy_process_group()

if __name__ == "__main__":
    main()
"""
# As the well-known templates for Hydra and Lightning lay a project out.
TRAIN = """
import hydra, os, pathlib
from omegaconf import DictConfig

@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(cfg: DictConfig):
    import pytorch_lightning as pl, torch
    from pytorch_lightning.callbacks import ModelCheckpoint
    from pytorch_lightning.loggers import CSVLogger

    class Net(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)
        def training_step(self, batch, index):
            loss = self.layer(batch).square().mean()
            self.log("train/loss", loss, on_epoch=True, on_step=False, sync_dist=True)
            return loss
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=cfg.lr)

    pl.seed_everything(cfg.seed)
    folder = cfg.paths.output_dir
    callbacks = [ModelCheckpoint(dirpath=folder + "/checkpoints", save_last=True)]
    logger = CSVLogger(save_dir=folder, name="csv", prefix="")
    trainer = pl.Trainer(**cfg.trainer, default_root_dir=folder, callbacks=callbacks, logger=logger,
                         enable_progress_bar=False)
    data = torch.utils.data.DataLoader(torch.arange(48.).reshape(16, 3) / 48, batch_size=4)
    trainer.fit(Net(), data)
    pathlib.Path(f"{os.environ['RANK']}.folder").write_text(str(folder))
    loss = trainer.callback_metrics["train/loss"].item()
    return loss if trainer.global_rank == 0 else (lambda: "nobody asks")

if __name__ == "__main__":
    main()
"""
TRAIN_YAML = """
seed: 1
lr: 0.1
paths:
  output_dir: ${hydra:runtime.output_dir}
trainer:
  accelerator: cpu
  devices: 2
  num_nodes: 1
  strategy: ddp
  max_epochs: 2
  log_every_n_steps: 1
hydra:
  sweep:
    dir: logs/multiruns/${now:%Y-%m-%d}
    subdir: ${hydra.job.num}
"""


@pytest.fixture
def foreign(trial: Trial) -> Trial:
    trial.login.write("foreign_ranks.py", (HERE / "foreign_ranks.py").read_text())
    trial.login.write("torchrun_script.py", TORCHRUN)
    return trial


def spawn(trial: Trial, experiment: str, slurm: dict[str, Any], **values: Any) -> str:
    config = {"experiment": {"_target_": f"foreign_ranks:{experiment}"}, **values}
    slurm = {"mem_per_cpu": "1GB", **slurm}
    reply = trial.call("spawn", new_id(), config=config, slurm=slurm)
    assert reply.error is None, reply.message
    return str(reply.answer["run_id"])


@pytest.mark.long
def test_libraries_that_start_no_process_by_themselves_train_as_ranks(foreign: Trial) -> None:
    programs = {"by_fabric": 1, "by_torchrun": 1, "by_mpi_style": 1}
    if importlib.util.find_spec("accelerate") is not None:
        programs["by_accelerate"] = 2
    layouts = [{"nodes": 1, "tasks_per_node": 2}, {"nodes": 2, "tasks_per_node": 1}]
    for layout in layouts:
        for program, steps in programs.items():
            run_id = spawn(foreign, program, layout)
            result = foreign.result(run_id)
            assert result["status"] == "completed", log(foreign, run_id)
            assert result["metrics"] == {"world": 2, "sum": 3, "steps": steps}, program
            if program in ("by_fabric", "by_accelerate"):
                weights = [json.loads(foreign.login.read(f"weights.{n}.json")) for n in (0, 1)]
                assert weights[0] == weights[1]
        parts = [json.loads(foreign.login.read(f"part.{rank}.json"))["mine"] for rank in (0, 1)]
        assert parts == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("tasks", [1, 2])
def test_lightnings_own_requeue_and_ours_requeue_once(foreign: Trial, tasks: int) -> None:
    slurm = {
        "tasks_per_node": tasks, "requeue": True, "time_limit": "2", "signal_lead_s": 20,
        "stop_signal": "USR1",
    }  # fmt: skip
    run_id = spawn(foreign, "requeued_by_lightning", slurm, devices=tasks)
    result = foreign.result(run_id, timeout_s=400)
    said = log(foreign, run_id)
    assert result["status"] == "completed", said
    steps = [
        tuple(map(int, line.split()))
        for line in foreign.login.read("lightning_steps.log").splitlines()
    ]
    print(result, steps[0], steps[-1])
    restarts = result["metrics"]["restarts"]
    assert restarts >= 1
    assert result["attempts"] == restarts + 1, said
    assert result["metrics"]["steps"] == 1200
    # It went on where it was, and did not begin anew.
    assert min(step for restart, step in steps if restart == 1) > 0


@pytest.mark.long
def test_a_template_like_project_of_hydra_and_lightning_trains_in_two_ranks(
    foreign: Trial,
) -> None:
    login = foreign.login
    login.write("train.py", TRAIN)
    login.write("configs/train.yaml", TRAIN_YAML)
    launcher = [
        f"hydra.launcher.slurm_{name}={value}"
        for name, value in {
            "nodes": 1, "tasks_per_node": 2, "cpus_per_task": 1, "gpus_per_task": 0,
            "mem_per_cpu": "1GB", "exclusive": "false",
        }.items()
    ]  # fmt: skip
    done = login.run(
        str(PYTHON), "train.py", "-m", "lr=0.1,0.2", "hydra/launcher=tmgg_slurm", *launcher,
        timeout_s=280, check=False,
    )  # fmt: skip
    folder = login.host_folder
    logs = "\n".join(path.read_text() for path in folder.glob("slurm_outputs/*.err"))
    assert done.returncode == 0, f"{done.stderr}\n{logs}"
    jobs = sorted(path.parent for path in folder.glob("logs/multiruns/*/*/.hydra"))
    assert [job.name for job in jobs] == ["0", "1"]
    for job in jobs:
        assert sorted(path.name for path in job.iterdir()) == [
            ".hydra", "checkpoints", "csv", "train.log",
        ]  # fmt: skip
        assert [path.name for path in (job / "csv").iterdir()] == ["version_0"]
        lines = (job / "csv" / "version_0" / "metrics.csv").read_text().splitlines()
        assert len(lines) == 3
    told = {(folder / f"{rank}.folder").read_text() for rank in (0, 1)}
    assert len(told) == 1
    assert "nobody asks" not in logs
    assert "cannot be sent back" not in logs
