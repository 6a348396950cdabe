"""A training on several workers that are PyTorch's own processes, without Ray."""

import multiprocessing
import os
import socket
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from pytorch_lightning.plugins.environments import (  # type: ignore[attr-defined]
    TorchElasticEnvironment,
)

from tmgg.training.config import Settings
from tmgg.training.data import DenoisingData
from tmgg.training.loop import build_trainer
from tmgg.training.module import DenoiserModule, score_references
from tmgg.training.process import quiet_lightning

_LIMIT_S = 240


def train_on_workers(
    settings: Settings, world_size: int, *, left: Path
) -> tuple[dict[str, torch.Tensor], float]:
    """The weights and the validation loss that the workers came to, which rank 0 leaves."""
    arguments = (settings, world_size, free_port(), left)
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_work, args=(rank, *arguments), name=f"rank {rank}")
        for rank in range(world_size)
    ]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(_LIMIT_S)
        assert {worker.name: worker.exitcode for worker in workers} == {
            worker.name: 0 for worker in workers
        }
    finally:
        for worker in workers:
            _end(worker)
    saved = torch.load(left, weights_only=True)
    return saved["weights"], saved["val_loss"]


def _work(rank: int, settings: Settings, world_size: int, port: int, left: Path) -> None:
    os.environ |= variables_of(rank, world_size, port)
    module = DenoiserModule(settings, score_references(settings))
    with quiet_lightning():
        trainer = build_trainer(
            settings, devices=world_size, strategy="ddp", plugins=[TorchElasticEnvironment()]
        )
        trainer.fit(module, datamodule=DenoisingData(settings))
    if rank == 0:
        val_loss = float(trainer.callback_metrics["val_loss"])
        torch.save({"weights": module.state_dict(), "val_loss": val_loss}, left)
    # At the interpreter's end PyTorch's own threads may abort a process that has done its work.
    os._exit(0)


def variables_of(rank: int, world_size: int, port: int) -> dict[str, str]:
    """What PyTorch's launcher sets for a worker on a single machine."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def free_port() -> int:
    """At this moment no process listens on it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _end(worker: BaseProcess) -> None:
    if worker.is_alive():
        worker.kill()
        worker.join(_LIMIT_S)
