"""The denoiser as a Lightning module: loss, optimiser, validation against the references."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import Optimizer

from tmgg.denoising.bayes import exact_logits
from tmgg.denoising.comparison import Comparison, graph_losses
from tmgg.denoising.metrics import PairScores, gap_closed, mean_bce, score_pairs
from tmgg.denoising.noise import NoiseConfig
from tmgg.denoising.noise_range import FlipRangeNoise, flip_evidence
from tmgg.denoising.oracle import block_oracle_logits, edge_only_logits
from tmgg.denoising.pairs import from_pairs, to_pairs
from tmgg.errors import ConfigError
from tmgg.models import Denoiser, EvidenceReadout, RateReadout, Readout, build_model
from tmgg.training.checkpoint import BestCheckpoint
from tmgg.training.config import Settings
from tmgg.training.data import GraphSource, NoisyGraphs, Shard
from tmgg.training.divergence import require_finite
from tmgg.training.hook_costs import QuickHooks
from tmgg.training.own_metrics import OwnMetrics
from tmgg.training.report import known_exactly

SETTINGS_KEY = "tmgg_settings"
TEST_SET_KEY = "tmgg_test_set"
"""The key in a checkpoint for the graphs of the test. They may change when it is resumed."""
_NEW_IN_TRAINERS = {"batch_parts": 1}


@dataclass(frozen=True, slots=True)
class References:
    """Scores on the validation set of the two predictors that a model is compared with."""

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
    edge_only, oracle = PairScores.nothing(), PairScores.nothing()
    for index in range(source.validation_batches(shard=everything)):
        batch = source.validation_batch(index, shard=everything, device=torch.device("cpu"))
        marginal_BNN, best_BNN = reference_logits(batch, settings.noise)
        edge_only += score_pairs(marginal_BNN, batch.adj_BNN)
        oracle += score_pairs(best_BNN, batch.adj_BNN)
    return References(edge_only, oracle)


def reference_logits(
    batch: NoisyGraphs, noise: NoiseConfig | FlipRangeNoise
) -> tuple[Tensor, Tensor]:
    """The logits of edge-only and of the block oracle."""
    evidence = (
        noise.evidence(density=batch.density)
        if batch.rate_B is None
        else flip_evidence(batch.rate_B[:, None, None])
    )
    return (
        edge_only_logits(batch.noisy_BNN, density=batch.density, evidence=evidence),
        block_oracle_logits(
            batch.noisy_BNN, edge_probability_BNN=batch.edge_probability_BNN, evidence=evidence
        ),
    )


def compare(
    logits_BNN: Tensor,
    batch: NoisyGraphs,
    noise: NoiseConfig | FlipRangeNoise,
    *,
    optimum_BNN: Tensor | None = None,
) -> Comparison:
    """Compare a model's logits with those of the two references, and the optimum's if known."""
    model_B, edge_only_B, oracle_B = (
        graph_losses(each_BNN, batch.adj_BNN)
        for each_BNN in (logits_BNN, *reference_logits(batch, noise))
    )
    wrong_BNN = (logits_BNN > 0) != (batch.adj_BNN > 0.5)
    error_B = to_pairs(wrong_BNN).double().mean(dim=-1)
    optimum_B = None if optimum_BNN is None else graph_losses(optimum_BNN, batch.adj_BNN.cpu())
    return Comparison.of(model_B, edge_only_B, oracle_B, error_B, optimum_B)


class DenoiserModule(QuickHooks):
    """Trains one model. Its losses and metrics are per node pair, in nats."""

    def __init__(self, settings: Settings, references: References) -> None:
        super().__init__()
        self._settings = settings
        self.references = references
        self._scores = PairScores.nothing()
        self.loss = torch.zeros(())
        """The loss of the newest step, on this worker's graphs."""
        self.comparison = Comparison.nothing()
        """How the trained model compares with the references on the test set; set by the test."""
        self.own_metrics = OwnMetrics.start(settings.metrics)
        self.model = seeded_model(settings)

    def training_step(self, batch: NoisyGraphs, batch_idx: int) -> Tensor:
        """The loss of this worker's graphs, weighted by their share of the global batch.

        Workers' gradients are averaged with equal weight. The factor makes that average the
        gradient of the global batch, even if the batch does not split evenly.
        """
        world_size, trainer = self.trainer.world_size, self._settings.trainer
        losses = [
            mean_bce(self.model(part.noisy_BNN, part.eigen, part.rate_B), part.adj_BNN)
            * (len(part.adj_BNN) * world_size / trainer.batch_size)
            for part in batch.dealt(max(1, trainer.batch_parts // world_size))
        ]
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        self.loss = loss.detach() * (trainer.batch_size / (len(batch.adj_BNN) * world_size))
        return loss

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Forward and backward, then the step. Raises DivergedError if a number is not finite.

        Like Lightning's own in full precision, but without the hooks between backward and step.
        The gradient is that of all workers together, so they all end at the same step.
        """
        assert optimizer_closure is not None
        optimizer_closure()
        weights, clip_norm = list(self.model.parameters()), self._settings.trainer.clip_norm
        norm = torch.nn.utils.get_total_norm(
            [item.grad for item in weights if item.grad is not None]
        )
        # One read for both numbers: on a GPU, each read makes the host wait.
        found_norm, found_loss = torch.stack((norm, self.loss)).tolist()
        step = self.trainer.global_step + 1
        self._require_finite("loss", found_loss, step=step)
        self._require_finite("gradient norm", found_norm, step=step)
        if found_norm + 1e-6 > clip_norm:  # PyTorch also adds 1e-6
            torch.nn.utils.clip_grads_with_norm_(weights, clip_norm, norm)
        plain = optimizer.optimizer if isinstance(optimizer, LightningOptimizer) else optimizer
        plain.step()

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Like the optimiser's own, without a call of the profiler."""
        for parameter in self.model.parameters():
            parameter.grad = None

    def _require_finite(self, what: str, value: float, *, step: int) -> None:
        kept = self.trainer.checkpoint_callbacks
        found = [item.own for item in kept if isinstance(item, BestCheckpoint)]
        require_finite(what, value, step=step, best=next(iter(found), None))

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self._scores = PairScores.nothing(self.device)

    def validation_step(self, batch: NoisyGraphs, batch_idx: int) -> None:
        """Count this batch."""
        self._scores += score_pairs(
            self.model(batch.noisy_BNN, batch.eigen, batch.rate_B), batch.adj_BNN
        )

    def on_validation_epoch_end(self) -> None:
        """Log the scores of all workers' graphs together."""
        scores = self._scores.map(
            lambda total: self.trainer.strategy.reduce(total, reduce_op="sum")
        )
        self._require_finite("val_loss", scores.bce, step=self.trainer.global_step)
        values = {
            "val_loss": scores.bce,
            "gap_closed": self.references.gap_closed(scores),
            "edge_error": scores.edge_error,
            "val_accuracy": 1.0 - scores.edge_error,
        }
        for name, value in values.items():
            # float64: the default float32 would round values that the final report has, too.
            total = torch.tensor(value, dtype=torch.float64, device=self.device)
            self.log(name, total, prog_bar=name in ("val_loss", "gap_closed"), sync_dist=True)

    def on_test_epoch_start(self) -> None:
        """Start counting."""
        self.comparison = Comparison.nothing(self.device)
        self.own_metrics = OwnMetrics.start(self._settings.metrics, self.device)

    def test_step(self, batch: NoisyGraphs, batch_idx: int) -> None:
        """Compare on this batch."""
        logits_BNN = self.model(batch.noisy_BNN, batch.eigen, batch.rate_B)
        probability_BP = torch.sigmoid(to_pairs(logits_BNN))
        n = batch.adj_BNN.shape[-1]
        self.own_metrics.add(from_pairs(probability_BP, n), batch.adj_BNN)
        self.comparison += compare(
            logits_BNN, batch, self._settings.noise, optimum_BNN=self._optimum(batch.noisy_BNN)
        )

    def _optimum(self, noisy_BNN: Tensor) -> Tensor | None:
        settings = self._settings
        if not known_exactly(settings):
            return None
        return exact_logits(noisy_BNN, settings.data, cast(NoiseConfig, settings.noise))

    def on_test_epoch_end(self) -> None:
        """Put the graphs of all workers together."""
        total = self.trainer.strategy.reduce(self.comparison.sums, reduce_op="sum")
        self.comparison = Comparison(total)
        sums = self.trainer.strategy.reduce(self.own_metrics.sums, reduce_op="sum")
        self.own_metrics = replace(self.own_metrics, sums=sums)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW (Loshchilov and Hutter, arXiv:1711.05101) on a one-cycle schedule.

        The schedule is PyTorch's `OneCycleLR` with its defaults (Smith and Topin,
        arXiv:1708.07120): up to the peak over the first 30 % of the steps, then down to almost 0.
        """
        trainer = self._settings.trainer
        optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=trainer.learning_rate,
            weight_decay=trainer.weight_decay,
            fused=True,  # one pass over all weights: small models spend most of a step in calls
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=trainer.learning_rate, total_steps=trainer.steps
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the settings that the weights and the tests depend on, beside the weights."""
        checkpoint[SETTINGS_KEY] = self._settings.scientific
        checkpoint[TEST_SET_KEY] = self._settings.test_set

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Refuse to resume with settings that differ from those of the checkpoint."""
        then, now = _as_of_now(checkpoint.get(SETTINGS_KEY, {})), self._settings.scientific
        changed = [
            f"{group}: {then.get(group)} -> {now[group]}"
            for group in now
            if then.get(group) != now[group]
        ]
        if changed:
            raise ConfigError(
                f"checkpoint {self._settings.resume_from} was made with other settings "
                f"({'; '.join(changed)}), so a training cannot go on from it; restore the "
                "settings, or start anew with resume_from=null"
            )


def _as_of_now(then: Mapping[str, Any]) -> dict[str, Any]:
    """Add the defaults of trainer settings that are newer than the checkpoint."""
    trainer = then.get("trainer")
    if not isinstance(trainer, Mapping):
        return dict(then)
    return {**then, "trainer": {**_NEW_IN_TRAINERS, **trainer}}


def seeded_model(settings: Settings) -> Denoiser:
    """The untrained model; its weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return build_model(settings.model, _readout(settings))


def _readout(settings: Settings) -> Readout:
    if isinstance(settings.noise, FlipRangeNoise):
        return RateReadout()
    density = settings.data.density
    return EvidenceReadout(density=density, evidence=settings.noise.evidence(density=density))
