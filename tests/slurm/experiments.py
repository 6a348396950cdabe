"""Experiments for tests on the cluster, each known by what it does to the job that runs it.

Copied beside the user's runs; every start leaves one line in `starts.log`, so that a test sees
what ran how often.
"""

import itertools
import os
import resource
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.job.context import current_run

Config = Mapping[str, Any]
GO_TIMEOUT_S = 240.0
COUNT_S = 0.05


def quick(config: Config) -> dict[str, float]:
    _note_start()
    return {"value": float(config.get("value", 1.0))}


def hold(config: Config) -> dict[str, float]:
    """Until the file `go` appears."""
    _note_start()
    deadline = time.monotonic() + GO_TIMEOUT_S
    # Listed: a network file system may remember for half a minute that a name was not there.
    while Path("go") not in Path().iterdir():
        if time.monotonic() > deadline:
            raise TimeoutError("nobody said go")
        time.sleep(0.05)
    return {"value": float(config.get("value", 1.0)), "attempt": float(_attempt())}


def hold_at_first(config: Config) -> dict[str, float]:
    """The first start waits for `go`; every later one returns at once."""
    return hold(config) if _attempt() == 1 else {**quick(config), "attempt": float(_attempt())}


def finish_when_told_to_end(config: Config) -> dict[str, float]:
    """At its first start it returns a result exactly when it is asked to end (SIGTERM)."""
    told: list[int] = []
    if _attempt() == 1:
        signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    _note_start()
    deadline = time.monotonic() + GO_TIMEOUT_S
    while _attempt() == 1 and not told and time.monotonic() < deadline:
        time.sleep(0.02)
    return {"attempt": float(_attempt())}


def ignore_term(config: Config) -> dict[str, float]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return hold(config)


def die_later(config: Config) -> dict[str, float]:
    """Holds at its first start and dies of a signal at later ones."""
    if _attempt() > 1:
        kill_itself({"signal": signal.SIGSEGV})
    return hold(config)


def kill_itself(config: Config) -> None:
    """Dies of the signal `config.signal`."""
    _note_start()
    os.kill(os.getpid(), int(config["signal"]))
    time.sleep(GO_TIMEOUT_S)


def exit_process(config: Config) -> None:
    """Ends its process behind everybody's back."""
    _note_start()
    os._exit(int(config["code"]))


def sleep(config: Config) -> dict[str, float]:
    """For `config.seconds`."""
    _note_start()
    time.sleep(float(config["seconds"]))
    return {"value": 1.0}


def hold_then_die(config: Config) -> None:
    hold(config)
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(GO_TIMEOUT_S)


def late(config: Config) -> dict[str, float]:
    """Its result reaches `result.json` only when somebody renames `result.late`."""
    from tmgg.experiment_utils.files import atomic_file
    from tmgg.experiment_utils.job import execute

    def write_aside(path: Path, value: dict[str, Any]) -> None:
        aside = path.with_name("result.late") if path.name == "result.json" else path
        atomic_file.write_json(aside, value)

    vars(execute).update(write_json=write_aside, render_result_line=lambda _output: "no result")
    return quick(config)


def allocate(config: Config) -> dict[str, float]:
    """Fills `config.megabytes` of memory, then holds."""
    _note_start()
    block = bytearray(int(config["megabytes"]) * 1_000_000)
    block[::1024] = b"x" * len(block[::1024])
    return hold(config)


def exhaust(config: Config) -> None:
    """Asks for more memory than a limit of its own leaves it."""
    _note_start()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 500_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    bytearray(2_000_000_000)


def text(config: Config) -> Any:
    """Returns what is no result."""
    _note_start()
    return "the loss went down nicely"


def fail(config: Config) -> None:
    _note_start()
    raise ValueError("beta must not be negative")


def use_cuda(config: Config) -> dict[str, float]:
    _note_start()
    import torch

    return {"value": float(torch.zeros(1).cuda().sum())}


def train_on_gpu(config: Config) -> dict[str, float]:
    _note_start()
    from pytorch_lightning import Trainer

    Trainer(accelerator="gpu", devices=1, logger=False, enable_checkpointing=False)
    return {}


def import_absent(config: Config) -> dict[str, float]:
    _note_start()
    import a_module_that_is_not_installed  # type: ignore[import-not-found]

    return {"value": float(a_module_that_is_not_installed.value)}


def train_paced(config: Config) -> dict[str, float | str]:
    """The built-in training, with at least `config.pace_s` for each step.

    Notes each step it has done, and the attempt, in `steps.log`.
    """
    from omegaconf import DictConfig, OmegaConf

    from tmgg.experiments import denoising, run_resources

    _note_start()
    assert isinstance(config, DictConfig)
    settings = OmegaConf.masked_copy(config, [str(key) for key in config if key != "pace_s"])
    run = current_run()
    assert run is not None
    steps = itertools.count(_step_of(run.previous_checkpoint) + 1)

    def paced(stop: Any) -> bool:
        with Path("steps.log").open("a") as stream:
            stream.write(f"{run.attempt} {next(steps)}\n")
        time.sleep(config["pace_s"])
        return bool(stop._path.exists())

    # The training asks it after each step.
    run_resources.StopFile.__call__ = paced  # type: ignore[assignment, method-assign]
    return denoising.run(settings)


def count_to(config: Config) -> dict[str, float]:
    """An experiment that knows nothing of Slurm: counts, saves, and ends when it is asked to.

    With `config.until_asked` its first start counts until then.
    """
    from tmgg.errors import StoppedEarlyError

    run = current_run()
    assert run is not None
    saved = run.output_dir / "count"
    before = run.previous_checkpoint
    first = int(before.read_text()) if before is not None else 0
    _note_start()
    last = int(config["number"])
    if config.get("until_asked") and run.attempt == 1:
        last = int(GO_TIMEOUT_S / COUNT_S)
    for number in range(first + 1, last + 1):
        time.sleep(COUNT_S)
        saved.write_text(str(number))
        run.note_checkpoint(saved)
        if run.stop_requested():
            raise StoppedEarlyError(f"at {number}", checkpoint_path=str(saved))
    cpus = run.resources["CPU"]
    return {"first": float(first), "attempt": float(run.attempt), "cpus": cpus}


def _step_of(checkpoint: Path | None) -> int:
    if checkpoint is None:
        return 0
    import torch

    return int(torch.load(checkpoint, weights_only=True)["global_step"])


def environment(config: Config) -> dict[str, float]:
    """Which of the variables `config.names` the experiment sees, as 0 or 1; its nice value."""
    _note_start()
    found = {name: float(name in os.environ) for name in config["names"]}
    return {**found, "nice": float(os.nice(0))}


def _attempt() -> int:
    run = current_run()
    assert run is not None
    return run.attempt


def _note_start() -> None:
    run = current_run()
    assert run is not None
    with Path("starts.log").open("a") as stream:
        job = os.environ.get("SLURM_JOB_ID", "")
        stream.write(f"{run.run_id} {run.attempt} {job} {os.uname().nodename}\n")
