"""Settings of the whole process, held only while a training runs."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Let PyTorch compute with this many threads; None leaves its own choice."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def own_random_state() -> AbstractContextManager[None]:
    """Restore PyTorch's global random state at the end; data loaders also draw from it."""
    return torch.random.fork_rng(devices=[])


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence Lightning's notes and those of its warnings that cannot help here."""
    lightning_log = logging.getLogger("pytorch_lightning")
    level = lightning_log.level
    lightning_log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Batches are made on the device; a loading process would only hold a counter.
            warnings.filterwarnings("ignore", message=".*does not have many workers")
            # Which graphs a step sees depends on the step alone, not on a loader's position.
            warnings.filterwarnings("ignore", message=".*your dataloader is not resumable")
            # A short training, or a short epoch of the user's own data.
            warnings.filterwarnings("ignore", message=".*smaller than the logging interval")
            # Lightning 2.6 causes it with newer PyTorch releases; TMGG does not use it.
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            # Lightning does not decide where a run executes; see `tmgg.training.loop.train`.
            warnings.filterwarnings("ignore", message="The `srun` command is available")
            # A resumed run writes into the folder of the previous attempt.
            warnings.filterwarnings("ignore", message="Checkpoint directory .* exists")
            yield
    finally:
        lightning_log.setLevel(level)
