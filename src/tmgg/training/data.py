"""Which graphs a training sees, as a function of the step and not of who asks.

Graph number i of a run is always the same graph (see `tmgg.denoising.philox`). Step s trains on
numbers s B .. s B + B - 1 of the global batch size B, and each of W workers takes every W-th of
them: one worker or many, uninterrupted or resumed, the graphs of a step do not change.
"""

from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tmgg.denoising.graphs import sample_sbm
from tmgg.errors import ConfigError
from tmgg.training.config import Settings

_TRAINING, _VALIDATION, _PAIR = 0, 1, 2


@dataclass(frozen=True, slots=True)
class NoisyGraphs:
    """Graphs to denoise, and what they were."""

    noisy_BNN: Tensor
    adj_BNN: Tensor
    edge_probability_BNN: Tensor
    """P(A_ij = 1 | blocks), for the oracle; models never see it."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One worker's part of every batch."""

    rank: int = 0
    world_size: int = 1

    def of(self, sample_B: Tensor) -> Tensor:
        """Every `world_size`-th number, from number `rank` on."""
        return sample_B[self.rank :: self.world_size]


class GraphSource:
    """Draws the graphs that the settings describe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def training_batch(self, step: int, *, shard: Shard, device: torch.device) -> NoisyGraphs:
        """The shard's graphs of the global batch of one step."""
        data, batch_size = self._settings.data, self._settings.trainer.batch_size
        if data.protocol == "fixed_pair":
            return self._draw(_PAIR, data.pair_seed, torch.zeros(1, dtype=torch.int64), device)
        first = step * batch_size
        sample_B = shard.of(torch.arange(first, first + batch_size))
        return self._draw(_TRAINING, self._settings.seed, sample_B, device)

    def validation_batches(self, *, shard: Shard) -> int:
        """How many batches this shard's part of the validation set makes."""
        graphs = len(self._validation_numbers(shard))
        return -(-graphs // self._settings.trainer.batch_size)

    def validation_batch(self, index: int, *, shard: Shard, device: torch.device) -> NoisyGraphs:
        """One batch of this shard's part of the validation set."""
        data, batch_size = self._settings.data, self._settings.trainer.batch_size
        sample_B = self._validation_numbers(shard)[index * batch_size : (index + 1) * batch_size]
        if data.protocol == "fixed_pair":
            return self._draw(_PAIR, data.pair_seed, sample_B, device)
        return self._draw(_VALIDATION, data.validation_seed, sample_B, device)

    def _validation_numbers(self, shard: Shard) -> Tensor:
        data = self._settings.data
        graphs = 1 if data.protocol == "fixed_pair" else data.validation_graphs
        return shard.of(torch.arange(graphs))

    def _draw(self, role: int, seed: int, sample_B: Tensor, device: torch.device) -> NoisyGraphs:
        data, noise = self._settings.data, self._settings.noise
        # The role keeps the graphs of equal seeds apart: validation graphs are never trained on.
        family = (role << 32) | seed
        sample_B = sample_B.to(device)
        graphs = sample_sbm(data, sample_B, seed=family)
        noisy_BNN = noise.corrupt(graphs.adj_BNN, sample_B, density=data.density, seed=family)
        return NoisyGraphs(noisy_BNN, graphs.adj_BNN, graphs.edge_probability_BNN)


class DenoisingData(pl.LightningDataModule):
    """Feeds a Lightning trainer with graphs made on the device that computes."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._source = GraphSource(settings)

    def setup(self, stage: str) -> None:
        """Refuse a split that leaves a worker without graphs."""
        world_size, batch_size = self._shard().world_size, self._settings.trainer.batch_size
        if world_size > batch_size:
            raise ConfigError(
                f"trainer.batch_size is {batch_size}, the batch of all workers together, but "
                f"there are {world_size} workers; give each at least one graph"
            )
        graphs = self._settings.data.validation_graphs
        if world_size > graphs:
            raise ConfigError(
                f"data.validation_graphs is {graphs}, but there are {world_size} workers; give "
                "each at least one graph to validate on"
            )

    def train_dataloader(self) -> DataLoader[int]:
        """Ticks of a clock, one per optimiser step; the graphs are made on the device."""
        return DataLoader(_Ticks(self._settings.trainer.steps), batch_size=None)

    def val_dataloader(self) -> DataLoader[int]:
        """One tick per batch of this worker's part of the validation set."""
        batches = self._source.validation_batches(shard=self._shard())
        return DataLoader(_Ticks(batches), batch_size=None)

    def on_after_batch_transfer(self, batch: int, dataloader_idx: int) -> NoisyGraphs:
        """Turn a tick into graphs; the step is the trainer's own, which a resumed run restores."""
        trainer = self._trainer()
        device = trainer.strategy.root_device
        if trainer.training:
            step = trainer.global_step
            return self._source.training_batch(step, shard=self._shard(), device=device)
        return self._source.validation_batch(batch, shard=self._shard(), device=device)

    def _shard(self) -> Shard:
        trainer = self._trainer()
        return Shard(rank=trainer.global_rank, world_size=trainer.world_size)

    def _trainer(self) -> pl.Trainer:
        assert self.trainer is not None, "Lightning attaches its trainer before it asks for data"
        return self.trainer


class _Ticks(Dataset[int]):
    """The numbers from 0 to `length` - 1."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < self._length:
            raise IndexError(index)
        return index
