"""Graphs per second of each model in training, beside a plain PyTorch loop in the same run.

`python -m benchmarks training`; `python -m benchmarks.training linear_pe gnn` for some models. The
plain loop is what one writes by hand for the same model, loss, optimiser and schedule: graphs by
`torch.rand`, one eigendecomposition a step, nothing logged, nothing saved, no validation. Each
model has a process of its own. Both loops are timed in turns, on one core and on two, after some
steps to warm up; on two cores the plain loop counts with one thread or with two, whichever is
faster. `ratio` is the median over rounds of the two times of one round, as others may use the
machine; `ms` are of the processor's time a step, all threads together.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from benchmarks._table import render_table
from tmgg import compose_config
from tmgg.denoising.metrics import mean_bce
from tmgg.models import MODELS
from tmgg.training.config import Settings
from tmgg.training.experiment import read_settings
from tmgg.training.loop import train
from tmgg.training.module import seeded_model

ONE_ROW = "--one-row"
WARM_UP, STEPS, ROUNDS = 20, 200, 7
_SLOW = {"graph_transformer": 40}
_HEADER = ["model", "cores", "graphs/s", "plain", "ratio", "of rounds", "ms", "plain", "load"]
Times = tuple[float, float]
"""Wall and processor's seconds a step."""


def main(models: Sequence[str] = ()) -> None:
    available = len(os.sched_getaffinity(0))
    rows = []
    for cores in (1, 2)[:available]:
        for name in models or MODELS:
            rows.append(_in_own_process(name, cores))
            print(rows[-1], flush=True)
    print(render_table(_HEADER, rows))


def _in_own_process(name: str, cores: int) -> list[object]:
    """As a training is: what an earlier model left in a process's memory slows the next down."""
    argv = [sys.executable, "-m", "benchmarks.training", ONE_ROW, name, str(cores)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, check=True, timeout=900)
    row: list[object] = json.loads(done.stdout.splitlines()[-1])
    return row


def _print_row(name: str, cores: int) -> None:
    with _on(sorted(os.sched_getaffinity(0))[:cores]):
        print(json.dumps(_row(name, cores)))


def _row(name: str, cores: int) -> list[object]:
    settings = _settings(name)
    ours, plain = [], []
    for number in range(ROUNDS):
        if number % 2:
            ours.append(_time_ours(settings))
        plain.append(min(_time_plain(settings, count + 1) for count in range(cores)))
        if not number % 2:
            ours.append(_time_ours(settings))
    ratios = sorted(theirs[0] / mine[0] for mine, theirs in zip(ours, plain, strict=True))
    batch = settings.trainer.batch_size
    (wall, cpu), (plain_wall, plain_cpu) = map(_median, (ours, plain))
    return [
        name, cores, f"{batch / wall:.0f}", f"{batch / plain_wall:.0f}",
        f"{statistics.median(ratios):.2f}", f"{ratios[0]:.2f}-{ratios[-1]:.2f}",
        f"{1e3 * cpu:.1f}", f"{1e3 * plain_cpu:.1f}", f"{os.getloadavg()[0]:.1f}",
    ]  # fmt: skip


def _settings(name: str) -> Settings:
    """Those of `+stage=stage1_poc`, without what comes between steps."""
    quiet = ["validate_every=10000", "checkpoint_every=10000", "accelerator=cpu", "bayes=off"]
    steps = WARM_UP + _SLOW.get(name, STEPS)
    asked = [f"trainer.{item}" for item in (*quiet, "cpu_threads=1", f"steps={steps}")]
    few = ["data.validation_graphs=8", "data.test_graphs=8"]
    config = compose_config(["+stage=stage1_poc", f"model={name}", *asked, *few])
    return read_settings(config)


def _median(times: Sequence[Times]) -> Times:
    wall, cpu = zip(*times, strict=True)
    return statistics.median(wall), statistics.median(cpu)


class _Clock(Callback):
    """Wall and processor's time a step, between the end of the warm-up and the last step."""

    def __init__(self) -> None:
        self.times: list[Times] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object, **kwargs: object) -> None:
        if trainer.global_step in (WARM_UP, trainer.max_steps):
            self.times.append((time.perf_counter(), time.process_time()))


def _time_ours(settings: Settings) -> Times:
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        train(replace(settings, output_dir=Path(folder)), callbacks=[clock])
    return _per_step(clock.times, settings)


def _time_plain(settings: Settings, threads: int) -> Times:
    torch.set_num_threads(threads)
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


def _per_step(times: list[Times], settings: Settings) -> Times:
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
    if sys.argv[1:2] == [ONE_ROW]:
        _print_row(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1:])
