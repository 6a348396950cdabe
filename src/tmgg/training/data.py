"""Decides which graphs a training sees. They depend on the step, not on the worker.

Graph number i of a run is always the same graph (see `tmgg.denoising.philox`). Step s trains on
numbers s B .. s B + B - 1 of the global batch size B, and each of W workers takes every W-th of
them: one worker or many, uninterrupted or resumed, the graphs of a step do not change.
"""

import functools
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tmgg.denoising.pairs import pair_count
from tmgg.errors import ConfigError
from tmgg.training.config import Settings
from tmgg.training.draw_ahead import DrawAhead
from tmgg.training.noisy_graphs import NoisyGraphs as NoisyGraphs  # where others find them
from tmgg.training.noisy_graphs import draw_graphs as draw_graphs

_TRAINING, _VALIDATION, _PAIR, _TEST = 0, 1, 2, 3
_PAIRS_AT_ONCE = 2**17
"""Node pairs drawn together: enough to make the overhead of each operation small, and few enough
for the processor's cache."""


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

    def __init__(self, settings: Settings, *, eigenpairs: bool = False) -> None:
        self._settings = settings
        self._eigenpairs = eigenpairs

    def training_batch(self, step: int, *, shard: Shard, device: torch.device) -> NoisyGraphs:
        """The shard's graphs of the global batch of one step."""
        (batch,) = self.training_batches(range(step, step + 1), shard=shard, device=device)
        return batch

    def training_batches(
        self, steps: range, *, shard: Shard, device: torch.device
    ) -> list[NoisyGraphs]:
        """Like `training_batch` for several steps together, which takes less time."""
        data = self._settings.data
        if data.protocol == "fixed_pair":
            sample_B = torch.zeros(1, dtype=torch.int64)
            return [self._draw(_PAIR, data.pair_seed, sample_B, device)] * len(steps)
        members = len(data.distributions)
        found: dict[int, NoisyGraphs] = {}
        for first in steps[:members]:
            alike = range(first, steps.stop, members)
            found |= zip(alike, self._alike(alike, shard=shard, device=device), strict=True)
        return [found[step] for step in steps]

    def _alike(self, steps: range, *, shard: Shard, device: torch.device) -> list[NoisyGraphs]:
        """The batches of steps that take their graphs from the same distribution."""
        settings, batch_size = self._settings, self._settings.trainer.batch_size
        firsts = [step * batch_size for step in steps]
        numbers = [shard.of(torch.arange(first, first + batch_size)) for first in firsts]
        member = steps.start % len(settings.data.distributions)
        graphs = self._draw(_TRAINING, settings.seed, torch.cat(numbers), device, member=member)
        return graphs.split(len(numbers[0]))

    def steps_at_once(self) -> int:
        """For how many steps graphs are best drawn together; the same for any number of workers."""
        if self._settings.data.protocol == "fixed_pair":
            return self._settings.trainer.steps
        distributions = self._settings.data.distributions
        most = max(pair_count(distribution.n) for distribution in distributions)
        alike = _PAIRS_AT_ONCE // (self._settings.trainer.batch_size * most)
        return alike * len(distributions) if alike > 1 else 1

    def validation_batches(self, *, shard: Shard) -> int:
        """How many batches this shard's part of the validation set makes."""
        return len(self._validation_parts(shard))

    def validation_batch(self, index: int, *, shard: Shard, device: torch.device) -> NoisyGraphs:
        """One batch of this shard's part of the validation set."""
        data = self._settings.data
        member, sample_B = self._validation_parts(shard)[index]
        if data.protocol == "fixed_pair":
            return self._draw(_PAIR, data.pair_seed, sample_B, device)
        return self._draw(_VALIDATION, data.validation_seed, sample_B, device, member=member)

    def test_batches(self, *, shard: Shard) -> int:
        """How many batches this shard's part of the test set makes; 0 without a test set."""
        return len(self._test_parts(shard))

    def test_batch(self, index: int, *, shard: Shard, device: torch.device) -> NoisyGraphs:
        """One batch of this shard's part of the test set."""
        member, sample_B = self._test_parts(shard)[index]
        return self._draw(_TEST, self._settings.data.test_seed, sample_B, device, member=member)

    def test_graph(self, number: int) -> NoisyGraphs:
        """Graph `number` of the endless list whose beginning is the test set."""
        data = self._settings.data
        member = number % len(data.distributions)
        sample_B, cpu = torch.tensor([number]), torch.device("cpu")
        return self._draw(_TEST, data.test_seed, sample_B, cpu, member=member)

    def _test_parts(self, shard: Shard) -> list[tuple[int, Tensor]]:
        data = self._settings.data
        # Protocol `fixed_pair` shows only that a model can memorise; it has no test set.
        return self._parts(0 if data.protocol == "fixed_pair" else data.test_graphs, shard)

    def _validation_parts(self, shard: Shard) -> list[tuple[int, Tensor]]:
        data = self._settings.data
        return self._parts(1 if data.protocol == "fixed_pair" else data.validation_graphs, shard)

    def _parts(self, graphs: int, shard: Shard) -> list[tuple[int, Tensor]]:
        """The shard's batches of a fixed set: which distribution, and which numbers of it.

        Graph i comes from distribution i modulo their number, on every worker.
        """
        members = len(self._settings.data.distributions)
        return [
            (member, sample_B)
            for member in range(members)
            for sample_B in torch.split(
                shard.of(torch.arange(member, graphs, members)), self._settings.trainer.batch_size
            )
            if len(sample_B)
        ]

    def _draw(
        self, role: int, seed: int, sample_B: Tensor, device: torch.device, *, member: int = 0
    ) -> NoisyGraphs:
        settings = self._settings
        # The role keeps the graphs of equal seeds apart: validation graphs are never trained on.
        return draw_graphs(
            settings.data.distributions[member],
            settings.noise,
            sample_B.to(device),
            seed=(role << 32) | seed,
            k=settings.model.k if self._eigenpairs else None,
        )


class DenoisingData(pl.LightningDataModule):
    """Feeds a Lightning trainer with graphs made on the device that computes."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._source = GraphSource(settings, eigenpairs=True)
        self._ahead = DrawAhead[NoisyGraphs](self._source.steps_at_once())
        self._validation: dict[int, NoisyGraphs] = {}

    def setup(self, stage: str) -> None:
        """Refuse a split that leaves a worker without graphs."""
        world_size, batch_size = self._shard().world_size, self._settings.trainer.batch_size
        if world_size > batch_size:
            raise ConfigError(
                f"trainer.batch_size is {batch_size}, the batch of all workers together, but "
                f"there are {world_size} workers; give each at least one graph"
            )
        data, last = self._settings.data, Shard(rank=world_size - 1, world_size=world_size)
        if data.protocol == "fixed_pair":
            return
        for kind, batches in (
            ("validation_graphs", self._source.validation_batches(shard=last)),
            ("test_graphs", self._source.test_batches(shard=last)),
        ):
            if not batches:
                members = len(data.distributions)
                raise ConfigError(
                    f"data.{kind} is {getattr(data, kind)}, but there are {world_size} workers "
                    f"that share the graphs of each of {members} distributions; give at least "
                    f"{members * (world_size - 1) + 1}, so that each worker has one"
                )

    def train_dataloader(self) -> "_Ticks":
        """Ticks of a clock, one per optimiser step; the graphs are made on the device."""
        return _Ticks(self._settings.trainer.steps)

    def val_dataloader(self) -> DataLoader[int]:
        """One tick per batch of this worker's part of the validation set."""
        batches = self._source.validation_batches(shard=self._shard())
        return DataLoader(_Ticks(batches), batch_size=None)

    def test_dataloader(self) -> DataLoader[int]:
        """Like `val_dataloader`, for the test set."""
        return DataLoader(_Ticks(self._source.test_batches(shard=self._shard())), batch_size=None)

    def on_after_batch_transfer(self, batch: int, dataloader_idx: int) -> NoisyGraphs:
        """Turn a tick into graphs; the step is the trainer's own, which a resumed run restores."""
        trainer = self._trainer()
        device = trainer.strategy.root_device
        if trainer.training:
            return self._ahead.draw(
                functools.partial(
                    self._source.training_batches, shard=self._shard(), device=device
                ),
                trainer.global_step,
                steps=self._settings.trainer.steps,
                ahead=device.type == "cpu",
            )
        if trainer.testing:
            return self._source.test_batch(batch, shard=self._shard(), device=device)
        return self._validation_batch(batch, device)

    def teardown(self, stage: str) -> None:
        """End the thread that draws ahead."""
        self._ahead.close()

    def _validation_batch(self, index: int, device: torch.device) -> NoisyGraphs:
        """A validation batch. It is drawn once, since every validation uses the same graphs."""
        if index not in self._validation:
            self._validation[index] = self._source.validation_batch(
                index, shard=self._shard(), device=device
            )
        return self._validation[index]

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
