"""Graphs per second of each model in training, beside a plain PyTorch loop in the same run.

`python -m benchmarks training`. The plain loop is what one writes by hand for the same model, loss,
optimiser and schedule: graphs by `torch.rand`, one eigendecomposition a step, nothing logged,
nothing saved, no validation. Both are timed in turns, on one core and on two, after some steps to
warm up; `ms` are of the processor's time a step, all threads together.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from benchmarks._table import render_table
from tmgg.denoising.metrics import mean_bce
from tmgg.models import MODELS
from tmgg.training.config import Settings, parse_settings
from tmgg.training.loop import train
from tmgg.training.module import seeded_model

WARM_UP, STEPS, ROUNDS = 20, 200, 5
_SLOW = {"graph_transformer": 40}


def main() -> None:
    rows = []
    available = sorted(os.sched_getaffinity(0))
    for cores in (1, 2)[: len(available)]:
        for name in MODELS:
            with _on(available[:cores]):
                rows.append(_row(name, cores))
            print(rows[-1], flush=True)
    header = ["model", "cores", "graphs/s", "plain", "ratio", "ms", "plain"]
    print(render_table(header, rows))


def _row(name: str, cores: int) -> list[object]:
    settings = parse_settings(
        {
            "model": {"name": name},
            "trainer": {
                "steps": WARM_UP + _SLOW.get(name, STEPS),
                "validate_every": 10_000,
                "checkpoint_every": 10_000,
                "accelerator": "cpu",
                "cpu_threads": 1,
                "bayes": "off",
            },
            "data": {"validation_graphs": 8, "test_graphs": 8},
        }
    )
    ours, plain = [], []
    for _ in range(ROUNDS):  # in turns, as others may use the machine
        plain.append(_time_plain(settings))
        ours.append(_time_ours(settings))
    (wall, cpu), (plain_wall, plain_cpu) = map(_best, (ours, plain))
    batch = settings.trainer.batch_size
    return [
        name, cores, f"{batch / wall:.0f}", f"{batch / plain_wall:.0f}",
        f"{plain_wall / wall:.2f}", f"{1e3 * cpu:.1f}", f"{1e3 * plain_cpu:.1f}",
    ]  # fmt: skip


def _best(times: list[tuple[float, float]]) -> tuple[float, float]:
    """The fastest round of each: what others on the machine cost only adds."""
    return min(wall for wall, _ in times), statistics.median(cpu for _, cpu in times)


class _Clock(Callback):
    """Wall and processor's time a step, between the end of the warm-up and the last step."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.global_step in (WARM_UP, trainer.max_steps):
            self.times.append((time.perf_counter(), time.process_time()))


def _time_ours(settings: Settings) -> tuple[float, float]:
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        train(replace(settings, output_dir=Path(folder)), callbacks=[clock])
    return _per_step(clock.times, settings)


def _time_plain(settings: Settings) -> tuple[float, float]:
    torch.set_num_threads(1)
    trainer = settings.trainer
    model = seeded_model(settings)
    optimizer = torch.optim.AdamW(model.parameters(), lr=trainer.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=trainer.learning_rate, total_steps=trainer.steps
    )
    times = []
    for step in range(1, trainer.steps + 1):
        noisy_BNN, adj_BNN = _plain_graphs(settings)
        loss = mean_bce(model(noisy_BNN), adj_BNN)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), trainer.clip_norm)
        optimizer.step()
        schedule.step()
        if step in (WARM_UP, trainer.steps):
            times.append((time.perf_counter(), time.process_time()))
    return _per_step(times, settings)


def _plain_graphs(settings: Settings) -> tuple[torch.Tensor, torch.Tensor]:
    n, batch = settings.data.n, settings.trainer.batch_size
    count_B1 = torch.tensor(settings.data.blocks)[torch.randint(3, (batch, 1))]
    block_BN = torch.rand(batch, n).argsort(dim=-1) * count_B1 // n
    same_BNN = block_BN[:, :, None] == block_BN[:, None, :]
    probability_BNN = torch.where(same_BNN, settings.data.p_in, settings.data.p_out)
    adj_BNN = (torch.rand(batch, n, n) < probability_BNN).float().triu(1)
    flip_BNN = (torch.rand(batch, n, n) < 0.1).float().triu(1)
    noisy_BNN = (adj_BNN - flip_BNN).abs()
    return noisy_BNN + noisy_BNN.mT, adj_BNN + adj_BNN.mT


def _per_step(times: list[tuple[float, float]], settings: Settings) -> tuple[float, float]:
    (began, cpu_began), (ended, cpu_ended) = times
    steps = settings.trainer.steps - WARM_UP
    return (ended - began) / steps, (cpu_ended - cpu_began) / steps


@contextmanager
def _on(cores: list[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main()
