"""The denoiser as a Lightning module: loss, optimiser, validation against the references."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from tmgg.denoising.metrics import PairScores, gap_closed, mean_bce, score_pairs
from tmgg.denoising.oracle import block_oracle_logits, edge_only_logits
from tmgg.errors import ConfigError
from tmgg.models import Denoiser, EvidenceReadout, build_model
from tmgg.training.config import Settings
from tmgg.training.data import GraphSource, NoisyGraphs, Shard

_SETTINGS_KEY = "tmgg_settings"


@dataclass(frozen=True, slots=True)
class References:
    """Scores on the validation set of the two predictors that frame every model."""

    edge_only: PairScores
    oracle: PairScores

    def gap_closed(self, model: PairScores) -> float:
        """See `tmgg.denoising.metrics.gap_closed`."""
        return gap_closed(
            model_bce=model.bce, edge_only_bce=self.edge_only.bce, oracle_bce=self.oracle.bce
        )


def score_references(settings: Settings) -> References:
    """Score both references on the whole validation set, on the CPU."""
    source, everything = GraphSource(settings), Shard()
    density = settings.data.density
    evidence = settings.noise.evidence(density=density)
    edge_only, oracle = PairScores.nothing(), PairScores.nothing()
    for index in range(source.validation_batches(shard=everything)):
        batch = source.validation_batch(index, shard=everything, device=torch.device("cpu"))
        marginal_BNN = edge_only_logits(batch.noisy_BNN, density=density, evidence=evidence)
        best_BNN = block_oracle_logits(
            batch.noisy_BNN, edge_probability_BNN=batch.edge_probability_BNN, evidence=evidence
        )
        edge_only += score_pairs(marginal_BNN, batch.adj_BNN)
        oracle += score_pairs(best_BNN, batch.adj_BNN)
    return References(edge_only, oracle)


class DenoiserModule(pl.LightningModule):
    """Trains one model. Its losses and metrics are per node pair, in nats."""

    def __init__(self, settings: Settings, references: References) -> None:
        super().__init__()
        self._settings = settings
        self.references = references
        self._scores = PairScores.nothing()
        self.model = _seeded_model(settings)

    def training_step(self, batch: NoisyGraphs, batch_idx: int) -> Tensor:
        """The loss of this worker's graphs, weighted by their share of the global batch.

        Workers' gradients are averaged with equal weight; the factor makes that average the
        gradient of the global batch also where it does not split evenly.
        """
        loss = mean_bce(self.model(batch.noisy_BNN), batch.adj_BNN)
        self.log("train_loss", loss.detach())
        share = len(batch.adj_BNN) * self.trainer.world_size / self._settings.trainer.batch_size
        return loss * share

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self._scores = PairScores.nothing(self.device)

    def validation_step(self, batch: NoisyGraphs, batch_idx: int) -> None:
        """Count this batch."""
        self._scores += score_pairs(self.model(batch.noisy_BNN), batch.adj_BNN)

    def on_validation_epoch_end(self) -> None:
        """Log the scores of all workers' graphs together."""
        scores = self._scores.map(
            lambda total: self.trainer.strategy.reduce(total, reduce_op="sum")
        )
        values = {
            "val_loss": scores.bce,
            "gap_closed": self.references.gap_closed(scores),
            "edge_error": scores.edge_error,
            "val_accuracy": 1.0 - scores.edge_error,
        }
        for name, value in values.items():
            # float64: the default float32 would round what the final report repeats.
            total = torch.tensor(value, dtype=torch.float64, device=self.device)
            self.log(name, total, prog_bar=name in ("val_loss", "gap_closed"), sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW (Loshchilov and Hutter, arXiv:1711.05101) on a one-cycle schedule.

        The schedule is PyTorch's `OneCycleLR` with its defaults (Smith and Topin,
        arXiv:1708.07120): up to the peak over the first 30 % of the steps, then down to nothing.
        """
        trainer = self._settings.trainer
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=trainer.learning_rate, weight_decay=trainer.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=trainer.learning_rate, total_steps=trainer.steps
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the settings that results depend on beside the weights."""
        checkpoint[_SETTINGS_KEY] = self._settings.scientific

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Refuse to go on under other settings than those the checkpoint was made with."""
        then, now = checkpoint.get(_SETTINGS_KEY, {}), self._settings.scientific
        changed = [
            f"{group}: {then.get(group)} -> {now[group]}"
            for group in now
            if then.get(group) != now[group]
        ]
        if changed:
            raise ConfigError(
                f"checkpoint {self._settings.resume_from} was made with other settings, so going "
                f"on from it would be neither run ({'; '.join(changed)}); "
                "restore them or start afresh with resume_from=null"
            )


def _seeded_model(settings: Settings) -> Denoiser:
    """The untrained model, by the seed alone."""
    density = settings.data.density
    readout = EvidenceReadout(density=density, evidence=settings.noise.evidence(density=density))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return build_model(settings.model, readout)
