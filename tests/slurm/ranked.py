"""Experiments of several ranks, written into the user's folder by `test_ranks.py`."""

# mypy: ignore-errors
# A user's script, as users write them.

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time


def note(name, value):
    """For the test to read: one file for each rank."""
    pathlib.Path(f"{name}.{os.environ.get('RANK', 'alone')}.json").write_text(json.dumps(value))


def see():
    """What libraries look at."""
    import tmgg.experiment_utils.job.context as context

    run = context.current_run()
    names = ("SLURM_", "PMI", "CUDA_VISIBLE", "MASTER_", "RANK", "LOCAL_", "WORLD_", "NODE_RANK")
    return {
        "environment": {k: v for k, v in os.environ.items() if k.startswith(names)},
        "node": socket.gethostname(),
        "cpus": len(os.sched_getaffinity(0)),
        "context": {
            "rank": run.rank and run.rank.rank,
            "world_size": run.rank and run.rank.world_size,
            "first": run.is_first,
            "nodes": [node.hostname for node in run.nodes],
            "resources": dict(run.resources),
        },
    }


def meet(config):
    """torch.distributed as any script uses it; then what `config.then` says."""
    import torch
    import torch.distributed as dist

    note("seen", see())
    dist.init_process_group("gloo")
    total = torch.tensor([float(dist.get_rank() + 1)])
    dist.all_reduce(total)
    print(f"rank {dist.get_rank()} prints", flush=True)
    if dist.get_rank() == config.get("who", -1):
        end(config.then)
    if config.get("then"):
        dist.barrier()  # waits for the one that fails
    dist.destroy_process_group()
    return {"sum": total.item(), "rank": int(os.environ["RANK"])}


def meet_beside_ray(config):
    """As `meet`, with Ray as scripts begin it; tasks of Ray are on every node."""
    import ray
    import torch
    import torch.distributed as dist

    ray.init(address="auto")
    found = see()
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    total = torch.tensor([float(rank + 1)])
    dist.all_reduce(total)

    @ray.remote(num_cpus=1, scheduling_strategy="SPREAD")
    def where():
        time.sleep(0.2)
        return os.environ["SLURMD_NODENAME"], [
            k for k in os.environ if k in ("RANK", "SLURM_PROCID")
        ]

    @ray.remote(num_cpus=0)
    class Board:
        def __init__(self):
            self.names = []

        def add(self, name):
            self.names.append(name)
            return len(self.names)

    board = Board.options(name="board", get_if_exists=True).remote()
    ray.get(board.add.remote(rank))
    dist.barrier()
    if rank == config.get("who", -1):
        end(config.then)
    found["board"] = ray.get(board.add.remote(rank))
    found["tasks"] = ray.get([where.remote() for _ in range(8)])
    found["cluster"] = ray.cluster_resources()
    note("seen", found)
    dist.barrier()
    dist.destroy_process_group()
    return {"sum": total.item(), "rank": rank}


def end(how):
    pathlib.Path("failed_at").write_text(str(time.time()))
    if how == "hang":
        import threading

        threading.Thread(target=time.sleep, args=(300,)).start()  # Python waits for it at the end
    if how in ("raise", "hang"):
        raise ValueError("the loss is purple")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "sys.exit":
        sys.exit(3)
    if how == "exit":
        os._exit(0)
    if how == "supervisor":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    sys.exit(f"unknown: {how}")


def look(config):
    """One process: what does it see?"""
    found = see()
    if config.get("ray"):
        import ray

        found["worker"] = ray.get(ray.remote(lambda: dict(os.environ)).remote())
    note("seen", found)
    return {"done": 1}


def count(config):
    """Steps in lockstep with a checkpoint of rank 0; stops when asked, by agreement."""
    import torch
    import torch.distributed as dist

    from tmgg.errors import StoppedEarlyError
    from tmgg.experiment_utils.job.context import current_run

    run = current_run()
    dist.init_process_group("gloo")
    torch.manual_seed(dist.get_rank())
    state = {"step": 0, "weight": torch.zeros(4, dtype=torch.float64)}
    if run.previous_checkpoint is not None:
        state = torch.load(run.previous_checkpoint)
    first = state["step"]
    while state["step"] < config.steps:
        generator = torch.Generator().manual_seed(1000 * state["step"] + dist.get_rank())
        gradient = torch.randn(4, generator=generator, dtype=torch.float64)
        dist.all_reduce(gradient)
        state["weight"] += gradient * torch.cos(state["weight"])
        state["step"] += 1
        asked = torch.tensor([1 if run.stop_requested() else 0])
        dist.all_reduce(asked)
        if asked.item():
            path = run.output_dir / f"at-{state['step']}.pt"
            if run.is_first:
                torch.save(state, path)
                run.note_checkpoint(path)
            dist.barrier()
            raise StoppedEarlyError(f"stopped at {state['step']}", checkpoint_path=str(path))
        if run.is_first:
            with pathlib.Path("steps.log").open("a") as stream:
                stream.write(f"{run.attempt} {state['step']}\n")
        time.sleep(config.get("pace_s", 0))
    dist.destroy_process_group()
    return {"weight": float(state["weight"].sum()), "first": first, "attempt": run.attempt}


def fit(config):
    """Lightning with ddp on CPUs; nothing about Slurm or TMGG in it."""
    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.plugins.environments import LightningEnvironment, SLURMEnvironment

    class Net(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 1)

        def training_step(self, batch, _index):
            return self.layer(batch).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    plugins = {
        "slurm": lambda: [SLURMEnvironment()],
        "lightning": lambda: [LightningEnvironment()],
        "auto": list,
    }[config.environment]()
    pl.seed_everything(0)
    module = Net()
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy="ddp",
        plugins=plugins,
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        default_root_dir=".",
    )
    data = torch.utils.data.DataLoader(torch.arange(48.0).reshape(16, 3) / 48, batch_size=4)
    trainer.fit(module, data)
    note(
        "fit",
        {
            "world": trainer.world_size,
            "rank": trainer.global_rank,
            "kind": type(trainer.strategy.cluster_environment).__name__,
            "weights": module.layer.weight.detach().flatten().tolist(),
        },
    )
    return {"world": trainer.world_size, "rank": trainer.global_rank, "steps": trainer.global_step}


def heed_a_signal(config):
    """As code that knows nothing of TMGG: a handler that leaves, and may requeue the job first."""

    def leave(_number, _frame):
        rank = os.environ["RANK"]
        pathlib.Path(f"{config.name}.{rank}").touch()
        if config.requeues and rank == "0":
            subprocess.run(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]], check=True)
        sys.exit()

    signal.signal(signal.SIGUSR1, leave)
    if os.environ["TMGG_RESTART"] == "0":
        time.sleep(300)
    return {"restart": int(os.environ["TMGG_RESTART"])}
