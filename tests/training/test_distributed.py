"""Training by several workers; the first tests need no Ray."""

import dataclasses
import os
import pickle
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from tmgg.errors import ConfigError, DivergedError, StoppedEarlyError
from tmgg.experiment_utils.cloud.local.config import LocalConfig
from tmgg.experiment_utils.cloud.local.runner import LocalRunner
from tmgg.experiment_utils.job.context import RunContext, Worker, set_current_run
from tmgg.experiments import run_resources
from tmgg.experiments.denoising import run
from tmgg.training import distributed
from tmgg.training.checkpoint import CheckpointFiles
from tmgg.training.config import Settings, parse_settings
from tmgg.training.distributed import Outcome, Work, train_distributed
from tmgg.training.hooks import Hooks
from tmgg.training.loop import train
from tmgg.training.placement import Placement

Config = dict[str, Any]


@pytest.fixture
def work(small: Config, tmp_path: Path) -> Work:
    return Work(parse_settings(small), Hooks(), tmp_path)


def test_workers_begin_as_they_are_told_until_the_training_has_a_checkpoint_of_its_own(
    work: Work,
) -> None:
    last = CheckpointFiles(work.settings.output_dir).last
    last.parent.mkdir(parents=True)
    last.touch()  # of some other training in the same folder
    assert work.next_settings() == work.settings
    work.saved(last)
    expected = dataclasses.replace(cast(Settings, work.settings), resume_from=last)
    assert work.next_settings() == expected


def test_whoever_runs_the_training_is_told_of_its_checkpoints(work: Work, tmp_path: Path) -> None:
    told: list[Path] = []
    dataclasses.replace(work, hooks=Hooks(saved=told.append)).saved(tmp_path / "last.ckpt")
    assert told == [tmp_path / "last.ckpt"]


@pytest.mark.parametrize(
    "answer",
    [
        Outcome({"val_loss": 0.5}, [(0, "node1"), (1, "node2")]),
        ConfigError("no"),
        StoppedEarlyError("at step 3", checkpoint_path="/c/last.ckpt"),
        DivergedError("at step 3", checkpoint_path="/c/best.ckpt"),
        KeyError("label"),
    ],
)
def test_what_it_came_to_reaches_the_driver_whole(work: Work, answer: Any) -> None:
    answered = [work.is_answered]
    work.leave_answer(answer)
    answered.append(work.is_answered)
    assert answered == [False, True]
    found = work.answer()
    assert (type(found), str(found)) == (type(answer), str(answer))
    assert getattr(found, "checkpoint_path", None) == getattr(answer, "checkpoint_path", None)


class UnpicklableError(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@pytest.mark.parametrize("error", [ValueError("no"), UnpicklableError(1, 2)])
def test_an_error_of_a_worker_reaches_the_driver_with_its_traceback(error: Exception) -> None:
    try:
        raise error
    except Exception as raised:
        answer = pickle.loads(pickle.dumps(distributed.as_answer(raised)))
    told = f"{answer}" + "".join(getattr(answer, "__notes__", []))
    assert "raise error" in told
    assert f"{type(error).__name__}: {error}" in told


def raised_in(module: str, error: Exception) -> Exception:
    try:
        exec("raise error", {"__name__": module, "error": error})
    except Exception as raised:
        return raised
    raise AssertionError


GONE = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"


@pytest.mark.parametrize(
    ("module", "error", "lost"),
    [
        ("my_lab", KeyError("label"), False),
        ("my_lab", RuntimeError("shapes cannot be multiplied"), False),
        ("my_lab", MemoryError(), False),
        ("my_lab", ConnectionError("database says no"), False),
        ("urllib3.connection", ConnectionResetError(), False),
        ("my_lab", TimeoutError(), False),
        ("my_lab", ValueError("bad igloo in row 7"), False),
        ("my_lab", RuntimeError("the label server: connection refused"), False),
        ("torch._utils", ConnectionError("Caught ConnectionError in DataLoader"), False),
        ("torch._utils", RuntimeError("Caught RuntimeError in DataLoader: broken pipe"), False),
        ("torch.nn.modules.linear", RuntimeError("a bad igloo"), False),
        ("torch.autograd.graph", RuntimeError(GONE), True),
        ("my_lab", RuntimeError(GONE), True),
        ("torch.cuda", RuntimeError("NCCL communicator was aborted on rank 1"), True),
        ("torch.distributed.distributed_c10d", ConnectionResetError(), True),
        ("torch.distributed.distributed_c10d", torch.distributed.DistBackendError("x"), True),
    ],
)
def test_only_the_loss_of_a_worker_is_tried_again(
    module: str, error: Exception, lost: bool
) -> None:
    assert distributed.is_loss_of_a_worker(raised_in(module, error)) is lost


def test_what_gloo_says_of_a_worker_that_is_gone_is_its_loss(tmp_path: Path) -> None:
    script = """
import os, sys, torch, torch.distributed as dist
from tmgg.training.distributed import is_loss_of_a_worker
is_first = os.fork() > 0
store = dist.FileStore(sys.argv[1], 2)
dist.init_process_group("gloo", store=store, rank=0 if is_first else 1, world_size=2)
dist.all_reduce(torch.ones(1))
if not is_first:
    os._exit(9)
try:
    for _ in range(100):
        dist.all_reduce(torch.ones(1))
except Exception as error:
    sys.stdout.write(f"lost: {is_loss_of_a_worker(error)}")
    sys.stdout.flush()
os._exit(0)
"""
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "store")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert told.stdout == "lost: True", told.stderr


def test_no_node_looks_for_a_mark_that_is_not_there(
    small: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file system would go on saying that it is not there."""
    seen: list[list[str]] = []

    def fit(work: Work, _placement: Placement) -> None:
        seen.append(sorted(path.name for path in work.folder.iterdir()))
        assert not work.is_answered
        assert work.next_settings() == work.settings
        work.leave_answer(Outcome({"val_loss": 0.5}, []))

    monkeypatch.setattr(distributed, "_fit", fit)
    placement = Placement(workers=2, cpus_each=1, gpus_each=0, spread=True)
    outcome = train_distributed(parse_settings(small), placement, hooks=Hooks())
    assert outcome.metrics == {"val_loss": 0.5}
    assert seen == [["answer.pkl", "saved"]]


def test_sigterm_is_left_to_the_run_by_a_ray_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "init", lambda **_: signal.signal(signal.SIGTERM, signal.SIG_IGN))
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    told: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    try:
        with run_resources.own_ray(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert told == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_work_travels_to_the_workers(work: Work) -> None:
    assert pickle.loads(pickle.dumps(work)) == work


@pytest.fixture
def context(small: Config, tmp_path: Path) -> Any:
    """A run of this process, as a backend would give it."""
    run = RunContext(
        run_id="r",
        output_dir=Path(small["output_dir"]),
        stop_path=tmp_path / "stop",
        checkpoint_note=tmp_path / "checkpoint",
    )
    set_current_run(run)
    yield run
    set_current_run(None)


def test_a_second_attempt_goes_on_from_what_the_first_noted(
    context: RunContext, small: Config
) -> None:
    assert context.stop_path is not None
    context.stop_path.touch()
    with pytest.raises(StoppedEarlyError, match="stopped at step 1 of 24"):
        run(small)
    context.stop_path.unlink()
    set_current_run(context)
    assert context.previous_checkpoint == CheckpointFiles(Path(small["output_dir"])).last
    resumed = run(small)
    set_current_run(None)
    assert (
        resumed["val_loss"] == run({**small, "output_dir": small["output_dir"] + "2"})["val_loss"]
    )


@pytest.mark.ray
def test_two_workers_come_to_what_one_comes_to(small: Config, tmp_path: Path) -> None:
    alone = train(parse_settings({**small, "output_dir": small["output_dir"] + "-alone"}))
    runner = LocalRunner(LocalConfig(output_dir=str(tmp_path / "runs")))
    result = runner.run_experiment({**small, "trainer": {**small["trainer"], "workers": 2}})
    assert result.status == "completed", result.error_message
    assert result.metrics["val_loss"] == pytest.approx(alone["val_loss"], abs=1e-6)
    assert result.metrics["steps"] == alone["steps"]
    here = socket.gethostname()
    assert result.workers == [Worker(rank=0, node=here), Worker(rank=1, node=here)]
    noted = (tmp_path / "runs" / result.run_id / "checkpoint").read_text()
    assert noted == f"{result.checkpoint_path}\n"
    assert not (Path(small["output_dir"]) / "ray_train").exists()


@pytest.mark.ray
@pytest.mark.long
def test_settings_that_do_not_fit_the_workers_are_refused_in_words(
    small: Config, tmp_path: Path
) -> None:
    """Ray itself would only say that workers failed."""
    few = {**small, "trainer": {**small["trainer"], "workers": 2, "batch_size": 1}}
    result = LocalRunner(LocalConfig(output_dir=str(tmp_path / "runs"))).run_experiment(few)
    assert result.status == "failed"
    assert result.error_message is not None
    assert "trainer.batch_size is 1, the batch of all workers together" in result.error_message
