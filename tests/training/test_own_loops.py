"""A training of one's own that is stopped or killed anywhere ends as if it never had been."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping

from tests.training.journal import BATCHES, Attempt, Journal, KilledError, Noted
from tests.training.lightning_project import step_by_hand
from tests.training.signalled import AskedAfter
from tests.training.workers import free_port
from tmgg.errors import ConfigError, StoppedEarlyError
from tmgg.training import own_loops
from tmgg.training.hooks import Hooks

KINDS: dict[str, dict[str, Any]] = {
    "epochs": {"max_epochs": 2},
    "steps": {"max_steps": 2 * BATCHES},
    "steps_within_an_epoch": {"max_steps": BATCHES + 2},
    "accumulation": {"max_epochs": 2, "accumulate_grad_batches": 3},
    "accumulation_of_all": {"max_epochs": 2, "accumulate_grad_batches": BATCHES},
    "validations_within_epochs": {"max_epochs": 2, "val_check_interval": 2},
    "validations_over_epochs": {
        "max_steps": 2 * BATCHES + 1,
        "val_check_interval": 3,
        "check_val_every_n_epoch": None,
    },
    "validations_every_other_epoch": {"max_epochs": 3, "check_val_every_n_epoch": 2},
}
QUICK = ("epochs", "steps", "accumulation", "validations_within_epochs")
EACH_KIND = [
    pytest.param(kind, marks=[] if kind in QUICK else [pytest.mark.long]) for kind in KINDS
]


def stopped_at(folder: Path, call: int, **options: Any) -> Attempt | None:
    """None if it was not stopped."""
    attempt = Attempt(folder)
    try:
        attempt.train(hooks=Hooks(stop=AskedAfter(call)), **options)
    except StoppedEarlyError:
        return attempt
    return None


@pytest.mark.parametrize("short_s", [-1.0, 60.0], ids=["long_validation", "short_validation"])
@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_stop_at_any_step_changes_nothing(
    kind: str, short_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_loops, "SHORT_VALIDATION_S", short_s)
    whole = Attempt(tmp_path / "whole").train(**KINDS[kind])
    call = 0
    while True:
        call += 1
        folder = tmp_path / f"{call}"
        first = stopped_at(folder, call, **KINDS[kind])
        if first is None:
            break
        second = Attempt(folder).train(**KINDS[kind])
        assert first.journal.entries.pop() == ("training ends",)
        assert first.journal.entries + second.journal.entries == whole.journal.entries, call
        assert second.came_to == whole.came_to, call
    assert call > 1


@pytest.mark.parametrize("every", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", EACH_KIND)
def test_a_kill_at_any_moment_changes_nothing(kind: str, every: int, tmp_path: Path) -> None:
    whole = Attempt(tmp_path / "whole").train(every=every, **KINDS[kind])
    entries = whole.journal.entries
    for moment in range(len(entries)):
        folder = tmp_path / "killed"
        first = Attempt(folder, killed_at=moment)
        with pytest.raises(KilledError):
            first.train(every=every, **KINDS[kind])
        assert first.journal.entries == entries[:moment]
        second = Attempt(folder).train(every=every, **KINDS[kind])
        again = second.journal.entries
        assert again == entries[-len(again) :], moment
        # What a module keeps of an epoch's batches is not lost before it is used.
        assert any(what.startswith("batch") for what in until("epoch ends", second.happened))
        assert steps_in(entries[:moment]) - steps_in(entries[: -len(again)]) <= every, moment
        assert second.came_to == whole.came_to, moment
        shutil.rmtree(folder)


def steps_in(entries: list[Any]) -> int:
    """Optimiser steps after these entries."""
    return max(
        (entry[1][1] for entry in entries if entry[0] not in ("numbers", "training ends")),
        default=0,
    )


def until(what: str, happened: list[str]) -> list[str]:
    return happened[: happened.index(what)]


@pytest.mark.parametrize("minimum", [{"min_epochs": 3}, {"min_steps": 3 * BATCHES}], ids=str)
def test_a_stop_does_not_wait_for_a_minimum(minimum: dict[str, int], tmp_path: Path) -> None:
    options: dict[str, Any] = {"max_epochs": 3, **minimum}
    whole = Attempt(tmp_path / "whole").train(**options)
    with pytest.raises(StoppedEarlyError, match="stopped at step 2"):
        Attempt(tmp_path / "parted").train(hooks=Hooks(stop=AskedAfter(2)), **options)
    assert Attempt(tmp_path / "parted").train(**options).came_to == whole.came_to


@pytest.mark.parametrize("call", [BATCHES + 2, 2 * BATCHES, 2 * BATCHES + 1])
def test_what_a_callback_has_decided_holds_after_a_stop(call: int, tmp_path: Path) -> None:
    """With min_epochs Lightning goes on for a while after an early stop."""
    never_better = EarlyStopping("val_loss", patience=1, min_delta=1e9)
    options: dict[str, Any] = {"max_epochs": 9, "min_epochs": 3, "callbacks": [never_better]}
    whole = Attempt(tmp_path / "whole").train(**options)
    assert whole.metrics["steps"] == 3 * BATCHES
    assert stopped_at(tmp_path / "parted", call, **options) is not None
    assert Attempt(tmp_path / "parted").train(**options).came_to == whole.came_to


@pytest.mark.filterwarnings("ignore:.*could not find the monitored key")
def test_a_stop_at_the_last_step_waits_if_nothing_long_follows(tmp_path: Path) -> None:
    options: dict[str, Any] = {"max_epochs": 2, "limit_val_batches": 0}
    assert stopped_at(tmp_path, 2 * BATCHES, **options) is None


@pytest.mark.parametrize("limit", ["max_epochs", "max_steps"])
def test_a_training_that_is_to_go_farther_begins_its_next_epoch(limit: str, tmp_path: Path) -> None:
    unit = BATCHES if limit == "max_steps" else 1
    near: dict[str, Any] = {limit: 2 * unit}
    far: dict[str, Any] = {limit: 3 * unit}
    Attempt(tmp_path).train(**near)
    farther = Attempt(tmp_path).train(**far)
    assert farther.happened[:2] == ["epoch starts", "batch 0 starts"]
    assert farther.happened.count("epoch ends") == 1
    assert farther.metrics["steps"] == 3 * BATCHES


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_what_goes_on_from_an_ended_training_comes_to_the_same(tmp_path: Path) -> None:
    ended = Attempt(tmp_path / "ended").train(max_epochs=2)
    again = Attempt(tmp_path / "again").train(max_epochs=2, resume_from=ended.last)
    assert again.came_to[:2] == ended.came_to[:2]
    assert again.journal.entries == []
    assert again.last.is_file()


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_a_training_with_nothing_left_is_not_called_ended(tmp_path: Path) -> None:
    """A checkpoint of Lightning's own does not say what the training came to."""
    attempt = Attempt(tmp_path / "a").train(max_steps=BATCHES)
    foreign = Path(attempt.best.best_model_path)
    with pytest.raises(
        ConfigError, match=r"is of step 4, after which nothing is left.*max_steps=4"
    ):
        Attempt(tmp_path / "b").train(max_steps=BATCHES, resume_from=foreign)


class TwoStepsEach(Noted):
    """Manual optimisation, as of a GAN: one step in the first batch, then two in each."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.automatic_optimization = False

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.5)

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        for _ in range(1 if self.global_step == 0 else 2):
            loss = super().training_step(batch, batch_idx)
            step_by_hand(self, loss)
        return loss


@pytest.mark.parametrize("call", range(1, 2 * BATCHES))
def test_manual_optimisation_goes_on_where_it_was(call: int, tmp_path: Path) -> None:
    def attempt(name: str) -> Attempt:
        return Attempt(tmp_path / name, module=TwoStepsEach)

    whole = attempt("whole").train(max_epochs=2)
    first = attempt("parted")
    with pytest.raises(StoppedEarlyError, match=f"stopped at step {2 * call - 1}"):
        first.train(max_epochs=2, hooks=Hooks(stop=AskedAfter(call)))
    second = attempt("parted").train(max_epochs=2)
    assert first.journal.entries[:-1] + second.journal.entries == whole.journal.entries
    assert second.came_to == whole.came_to


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"accumulate_grad_batches": 2}, [1, 2, 3]),
        ({"val_check_interval": 2}, [1, 2, 3, 4, 5, 6, 7]),
    ],
    ids=str,
)
def test_a_step_is_saved_once(options: dict[str, int], steps: list[int], tmp_path: Path) -> None:
    saved: list[int] = []

    def note(path: Path) -> None:
        saved.append(torch.load(path, weights_only=False)["global_step"])

    Attempt(tmp_path).train(max_epochs=2, hooks=Hooks(saved=note), **options)
    assert saved == [*steps, steps[-1] + 1]


def by_two_workers(folder: Path, *, asked_to_stop: bool) -> Any:
    """What worker 0 came to, and its journal."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "tests.training.two_workers", str(folder)]
    workers = [
        subprocess.Popen(
            [*command, f"{rank}", f"{port}", f"{int(asked_to_stop)}"],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        for rank in range(2)
    ]
    try:
        answers = [worker.communicate(timeout=120)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    return json.loads(answers[0])


def test_two_workers_stop_and_go_on_together(tmp_path: Path) -> None:
    """Only one of them is asked to stop. Sums over an epoch are those of both."""
    came_to, whole = by_two_workers(tmp_path / "whole", asked_to_stop=False)
    stopped, first = by_two_workers(tmp_path / "parted", asked_to_stop=True)
    assert "stopped at step 10" in stopped[1]
    assert first.pop() == ["training ends"]
    resumed, second = by_two_workers(tmp_path / "parted", asked_to_stop=False)
    assert [*first, *second] == whole
    assert resumed == came_to
