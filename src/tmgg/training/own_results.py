"""The numbers that a module has logged, as a checkpoint keeps them. Lightning keeps none."""

from typing import Any

import pytorch_lightning as pl
import torch

_AS_LOGGED = (
    "fx", "name", "prog_bar", "logger", "on_step", "on_epoch", "add_dataloader_idx",
    "metric_attribute",
)  # fmt: skip


def kept_results(trainer: pl.Trainer) -> dict[str, Any]:
    """What callbacks see (`callback_metrics`), and the sums of this epoch's means so far.

    All workers must call it together. What a module keeps in its own objects, such as those of
    `torchmetrics`, is not included.
    """
    metrics = {name: value.detach().cpu() for name, value in trainer.callback_metrics.items()}
    results = trainer.fit_loop.epoch_loop._results
    sums = {key: _kept(item, trainer) for key, item in results.items() if _is_kept(item)}
    return {"metrics": metrics, "sums": sums}


def restore_results(trainer: pl.Trainer, kept: dict[str, Any]) -> None:
    """Restore the numbers that `kept_results` returned, at the start of a training."""
    connector, device = trainer._logger_connector, trainer.strategy.root_device
    connector._callback_metrics.update(
        {name: value.to(device) for name, value in kept["metrics"].items()}
    )
    for key, item in kept["sums"].items():
        _restore(trainer, key, item, device)
    if kept["sums"]:
        connector._first_loop_iter = False  # at a first batch, Lightning would reset the sums


def _is_kept(item: Any) -> bool:
    own_group = item.meta.sync._group is not None
    return item.is_tensor and item.meta.on_epoch and not item.has_reset and not own_group


def _kept(item: Any, trainer: pl.Trainer) -> dict[str, Any]:
    """One logged name. Each worker resumes with an equal share of the total of all workers."""
    value, count = item.value.detach().clone(), None
    value = item.meta.sync(value)
    if item.meta.is_sum_reduction and item.meta.sync.should:
        value = value / trainer.world_size
    if item.meta.is_mean_reduction:
        count = item.meta.sync(item.cumulated_batch_size.detach().clone()).cpu()
    step_value = None if item._forward_cache is None else item._forward_cache.detach().cpu()
    return {
        "value": value.cpu(),
        "count": count,
        "step_value": step_value,
        "logged": {name: getattr(item.meta, name) for name in _AS_LOGGED},
        "reduce": item.meta.reduce_fx.__name__,
        "sync_dist": item.meta.sync.should,
        "rank_zero_only": item.meta.sync.rank_zero_only,
    }


def _restore(trainer: pl.Trainer, key: str, kept: dict[str, Any], device: torch.device) -> None:
    results = trainer.fit_loop.epoch_loop._results
    step_value = kept["value"] if kept["step_value"] is None else kept["step_value"]
    results.log(
        value=step_value.to(device),
        reduce_fx=kept["reduce"],
        sync_dist=kept["sync_dist"] and trainer.world_size > 1,
        sync_dist_fn=trainer.strategy.reduce,
        rank_zero_only=kept["rank_zero_only"],
        batch_size=1,
        **kept["logged"],
    )
    results[key].value = kept["value"].to(device)
    if kept["count"] is not None:
        results[key].cumulated_batch_size = kept["count"].to(device)
