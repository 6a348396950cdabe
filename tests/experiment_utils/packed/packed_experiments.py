"""Experiments that end, or do not, in every way; copied beside the runs of a test."""

import atexit
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.job.context import current_run

Config = Mapping[str, Any]
LIMIT_S = 120.0


def ok(config: Config) -> dict[str, float]:
    print("printed by", config["name"])
    print("warned by", config["name"], file=sys.stderr)
    return {"value": 1.0, "pid": os.getpid(), "parents_parent": _grandparent()}


def options(config: Config) -> dict[str, float]:
    return {
        "optimize": sys.flags.optimize,
        "is_strict": sys.warnoptions == ["error::UserWarning:it's"],
        "digits": sys.flags.int_max_str_digits,
    }


def raises(config: Config) -> None:
    raise ValueError("beta must not be negative")


def exits(config: Config) -> None:
    os._exit(7)


def dies(config: Config) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(LIMIT_S)


def leaves_a_daemon(config: Config) -> dict[str, float]:
    daemon = subprocess.Popen(["sleep", str(LIMIT_S)], start_new_session=True)
    return {"daemon": daemon.pid}


def holds(config: Config) -> None:
    Path("holding").write_text(str(os.getpid()))
    time.sleep(LIMIT_S)


def ignores_term(config: Config) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    holds(config)


def stops(config: Config) -> dict[str, float]:
    """Returns when it is told to by the stop file."""
    Path("holding").write_text(str(os.getpid()))
    run = current_run()
    assert run is not None
    while not run.stop_requested():
        time.sleep(0.02)
    return {"stopped": 1}


def draws(config: Config) -> dict[str, float]:
    import numpy as np

    return {"python": random.random(), "numpy": float(np.random.random())}


def environment(config: Config) -> dict[str, float]:
    run = current_run()
    assert run is not None
    return {
        "gpus": float(os.environ.get("CUDA_VISIBLE_DEVICES", "-1")),
        "ray": float(run.ray_address is not None),
        "cpus": float(len(os.sched_getaffinity(0))),
        "attempt": float(run.attempt),
    }


def sleeps_natively(config: Config) -> None:
    """Holds the interpreter, so that neither alarm nor thread can end it."""
    import ctypes

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # it would cut the sleep short
    ctypes.PyDLL(None).sleep(int(LIMIT_S))


def at_exit(config: Config) -> dict[str, float]:
    atexit.register(lambda: Path("exit_function_ran").write_text("yes"))
    return {}


def _grandparent() -> float:
    parent = Path(f"/proc/{os.getppid()}/stat").read_text()
    return float(parent.rpartition(")")[2].split()[1])
