"""A Lightning project with a Hydra config, which knows nothing of TMGG: a plane through points."""

import hydra
import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


class Plane(pl.LightningModule):
    def __init__(self, width: int, lr: float) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(width, 1)
        self.lr = lr

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.layer(x), y)
        if not loss < 1e6:
            raise ValueError(f"the loss is {loss:.3g} at step {self.global_step}: lr is too large")
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(x), y))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def points(width: int, seed: int, number: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(number, width, generator=generator)
    noise = 0.1 * torch.randn(number, 1, generator=generator)
    return TensorDataset(x, x.sum(dim=1, keepdim=True) / width**0.5 + noise)


@hydra.main(version_base="1.3", config_path=".", config_name="config")
def train(config: DictConfig) -> dict[str, float]:
    pl.seed_everything(config.seed, verbose=False)
    trainer = pl.Trainer(
        max_epochs=config.trainer.max_epochs,
        logger=CSVLogger(HydraConfig.get().runtime.output_dir),
        accelerator="cpu",
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(
        Plane(config.model.width, config.optimizer.lr),
        DataLoader(points(config.model.width, config.seed, 256), batch_size=64, shuffle=True),
        DataLoader(points(config.model.width, config.seed + 1000, 64), batch_size=64),
    )
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


if __name__ == "__main__":
    train()
