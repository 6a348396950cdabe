"""Points of a plane, out of a file of the project."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

FILE = Path(__file__).parent / "points.csv"


class Points(Dataset[tuple[Tensor, Tensor]]):
    def __init__(self) -> None:
        rows = [line.split(",") for line in FILE.read_text().splitlines()]
        self.values = torch.tensor([[float(value) for value in row] for row in rows])

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.values[index, :2], self.values[index, 2:]


class PlaneData(pl.LightningDataModule):
    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(Points(), batch_size=8, shuffle=True)

    def val_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(Points(), batch_size=64)
