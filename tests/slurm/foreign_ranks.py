"""Programs of other people's making, run as ranks by `test_foreign_ranks.py`."""

# mypy: ignore-errors
# A user's scripts, as users write them. None of them knows of TMGG.

import json
import os
import pathlib
import subprocess
import sys
import time

import torch


def note(name, **values):
    path = pathlib.Path(f"{name}.{os.environ.get('RANK', 'alone')}.json")
    path.write_text(json.dumps(values))


def by_accelerate(config):
    """Accelerate, as in its documentation."""
    from accelerate import Accelerator

    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True)
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = torch.utils.data.DataLoader(torch.arange(24.0).reshape(8, 3) / 24, batch_size=2)
    model, optimizer, data = accelerator.prepare(model, optimizer, data)
    steps = 0
    for batch in data:
        loss = model(batch).square().mean()
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    weights = accelerator.unwrap_model(model).weight.detach().flatten().tolist()
    note("weights", weights=weights)
    total = accelerator.reduce(torch.tensor(float(accelerator.process_index + 1)))
    accelerator.wait_for_everyone()
    return {"world": accelerator.num_processes, "sum": total.item(), "steps": steps}


def by_fabric(config):
    """Lightning Fabric, with the numbers of nodes and devices from the environment."""
    from lightning_fabric import Fabric

    nodes = int(os.environ["SLURM_JOB_NUM_NODES"])
    devices = int(os.environ["SLURM_NTASKS_PER_NODE"])
    fabric = Fabric(accelerator="cpu", devices=devices, num_nodes=nodes, strategy="ddp")
    fabric.launch()
    fabric.seed_everything(0)
    model = torch.nn.Linear(3, 1)
    model, optimizer = fabric.setup(model, torch.optim.SGD(model.parameters(), lr=0.1))
    loss = model(torch.full((2, 3), float(fabric.global_rank))).square().mean()
    fabric.backward(loss)
    optimizer.step()
    note("weights", weights=model.module.weight.detach().flatten().tolist())
    total = fabric.all_reduce(torch.tensor(float(fabric.global_rank + 1)), reduce_op="sum")
    return {"world": fabric.world_size, "sum": total.item(), "steps": 1}


def by_torchrun(config):
    """What torchrun starts: env:// and LOCAL_RANK, main part at the bottom of a script."""
    script = pathlib.Path("torchrun_script.py")
    done = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def by_mpi_style(config):
    """Code that splits its work by Slurm's numbers, without any communication."""
    rank, count = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
    mine = range(rank, 10, count)
    note("part", mine=list(mine))
    # Nobody but rank 0 is asked for what it returns.
    return {"world": count, "sum": 3, "steps": 1} if rank == 0 else (lambda: mine)


def requeued_by_lightning(config):
    """Lightning's SLURMEnvironment saves, requeues the job, and goes on from its own file."""
    import signal

    import pytorch_lightning as pl
    from pytorch_lightning.plugins.environments import SLURMEnvironment

    class Net(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch, index):
            if self.trainer.global_rank == 0:
                with pathlib.Path("lightning_steps.log").open("a") as stream:
                    stream.write(f"{os.environ['SLURM_RESTART_COUNT_OR_0']} {self.global_step}\n")
            if os.environ["SLURM_RESTART_COUNT_OR_0"] == "0":
                time.sleep(0.1)
            return self.layer(batch).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    os.environ["SLURM_RESTART_COUNT_OR_0"] = os.environ.get("SLURM_RESTART_COUNT", "0")
    plugins = [SLURMEnvironment(auto_requeue=True, requeue_signal=signal.SIGUSR1)]
    trainer = pl.Trainer(
        accelerator="cpu", devices=config.devices, strategy="ddp", plugins=plugins,
        max_steps=1200, max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, default_root_dir="lightning", use_distributed_sampler=True,
    )  # fmt: skip
    pl.seed_everything(0)
    data = torch.utils.data.DataLoader(torch.arange(48.0).reshape(16, 3) / 48, batch_size=2)
    trainer.fit(Net(), data)
    return {
        "world": trainer.world_size,
        "steps": trainer.global_step,
        "restarts": int(os.environ["SLURM_RESTART_COUNT_OR_0"]),
    }
