"""A training that is asked to end, by whoever runs it or by a signal."""

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from tests.training.signalled import AskedAfter, SignalAt
from tmgg.errors import StoppedEarlyError
from tmgg.training.checkpoint import CheckpointFiles
from tmgg.training.config import parse_settings
from tmgg.training.hooks import Hooks, StopRequests
from tmgg.training.loop import train

Config = dict[str, Any]


def test_a_training_that_is_asked_to_stop_saves_and_goes_on_as_if_it_had_not(
    small: Config,
) -> None:
    whole = train(parse_settings({**small, "output_dir": small["output_dir"] + "-whole"}))
    saved: list[Path] = []
    settings = parse_settings(small)
    with pytest.raises(StoppedEarlyError, match="stopped at step 7 of 24") as stopped:
        train(settings, hooks=Hooks(stop=AskedAfter(7), saved=saved.append))
    last = CheckpointFiles(settings.output_dir).last
    assert stopped.value.checkpoint_path == str(last)
    assert saved == [last]
    resumed = train(dataclasses.replace(settings, resume_from=last))
    assert resumed["val_loss"] == whole["val_loss"]


def test_sigterm_is_left_to_whoever_runs_the_training(small: Config) -> None:
    """Lightning's own handler would end it before it has saved."""
    told: list[int] = []
    asked = itertools.count(1)

    def stop() -> bool:
        step = next(asked)
        if step == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return step == 9

    before = signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    try:
        with pytest.raises(StoppedEarlyError, match="stopped at step 9"):
            train(parse_settings(small), hooks=Hooks(stop=stop))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("kind", ["denoising", "own"])
def test_a_signal_that_nobody_handles_ends_it_with_its_state_saved(
    kind: str, number: signal.Signals, code: int, tmp_path: Path
) -> None:
    script = f"""
import logging, os, sys
from tests.training.signalled import train_{kind}
logging.basicConfig(format="%(message)s")
train_{kind}(sys.argv[1], {int(number)})
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[2],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    # Python ends itself by SIGINT where nobody catches KeyboardInterrupt: 130 to a shell.
    assert ended.returncode % 256 in (code, 256 - number), ended.stderr
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert f"{number.name} ended the training at step 7; to go on: resume_from={last}" in (
        ended.stderr
    )
    assert torch.load(last, weights_only=False)["global_step"] == 7


def test_a_training_that_is_asked_to_stop_at_its_last_step_is_done(small: Config) -> None:
    assert train(parse_settings(small), hooks=Hooks(stop=AskedAfter(24)))["steps"] == 24


class HandlerInTests(Callback):
    handler: Any = None

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.handler = signal.getsignal(signal.SIGTERM)


def test_after_the_training_signals_are_as_before(small: Config) -> None:
    """Lightning would end the tests with exit code 0."""
    seen = HandlerInTests()
    before = signal.getsignal(signal.SIGTERM)
    train(parse_settings(small), callbacks=[seen])
    assert seen.handler is before


def test_a_second_interrupt_ends_it_at_once(small: Config) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit):  # Lightning's own way
            train(parse_settings(small), callbacks=[SignalAt(7, 2), SignalAt(7, 2)])
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("before", "step", "asked"), [(8, 9, False), (9, 10, True), (9, 11, True), (10, 11, False)]
)
def test_two_workers_agree_where_ten_steps_are_full(before: int, step: int, asked: bool) -> None:
    """A batch may have several steps, so that no batch ends at the tenth."""
    strategy = SimpleNamespace(reduce_boolean_decision=lambda decision, **_: decision)
    trainer: Any = SimpleNamespace(global_step=step, world_size=2, strategy=strategy)
    assert StopRequests(lambda: True).is_asked(trainer, before=before) is asked
