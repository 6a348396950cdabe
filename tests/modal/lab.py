"""What runs in containers of the stand-in; sent along as a local package."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.job.context import current_run

Config = Mapping[str, Any]


def train(config: Config) -> dict[str, Any]:
    """Leaves a checkpoint of `config.size_bytes` beside those of earlier attempts."""
    run = current_run()
    assert run is not None
    folder = run.output_dir / "checkpoints"
    folder.mkdir(exist_ok=True)
    steps = len(list(folder.iterdir()))
    last = folder / f"step_{steps}.ckpt"
    last.write_bytes(b"w" * config["size_bytes"])
    if config.get("fail_until", 0) > steps:
        raise RuntimeError("not this time")
    return {"steps": steps, "checkpoint_path": str(last)}


def surroundings(config: Config) -> dict[str, Any]:
    """Whether a secret, a volume and the working directory are there; writes into the volume."""
    (Path(config["volume"]) / "left.txt").write_text("by the run")
    secret = os.environ.get("LAB_KEY") == "s3cret"
    return {"secret": secret, "cwd": str(Path.cwd()) == config["cwd"]}


def interpreter(config: Config) -> dict[str, Any]:
    """Whether its Python has the option `-W` of the config."""
    return {"is_strict": sys.warnoptions == [config["warning"]]}


def count_runs(config: Config) -> None:
    """One more line in `config.file`."""
    with Path(config["file"]).open("a") as stream:
        stream.write("ran\n")


def hold(config: Config) -> None:
    """Sleeps for `config.hold_s`."""
    time.sleep(config["hold_s"])


def last_breath(_config: Config) -> None:
    """Takes the whole container down, as the kernel does when its memory is full."""
    import signal

    os.kill(_container_of(os.getpid()), signal.SIGKILL)


def _container_of(pid: int) -> int:
    while True:
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        pid = int(status["PPid"])
        if b"modal._container_entrypoint" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid


def nodes(_config: Config) -> dict[str, Any]:
    """How many nodes the run's Ray cluster has."""
    import ray

    return {"nodes": sum(bool(node["Alive"]) for node in ray.nodes())}
