"""The experiments of the suite's runs. Their jobs import this module.

A test learns about a job from its metrics, so the suite needs no folder that both sides see.
"""

import math
import os
import signal
import time
from collections.abc import Mapping
from typing import Any

from tmgg.experiment_utils.job.context import RunContext, current_run

Config = Mapping[str, Any]


def square(config: Config) -> dict[str, float]:
    return {"square": config["x"] ** 2}


def say(config: Config) -> dict[str, float]:
    """Prints `config.word`."""
    print(config["word"], flush=True)  # noqa: T201 - it is what the test looks for
    return {"length": len(config["word"])}


def hold(config: Config) -> dict[str, float]:
    """Sleeps for `config.hold_s`. Returns when it began and ended, by the job's clock."""
    began = time.time()
    time.sleep(config["hold_s"])
    return {"began": began, "ended": time.time()}


def odd_numbers(_config: Config) -> dict[str, float]:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "tiny": 5e-324, "größe": 2**53 + 1}


def many_metrics(config: Config) -> dict[str, float]:
    return {f"{'metric' * 10}_{number:06}": float(number) for number in range(config["count"])}


def measure(config: Config) -> dict[str, float]:
    """Returns the length of the text, and the sum of its code points."""
    return {"length": len(config["text"]), "sum": sum(map(ord, config["text"]))}


def number(_config: Config) -> float:
    return 0.5


def nothing(_config: Config) -> None:
    return None


def context(_config: Config) -> dict[str, float | str]:
    """Returns what the run's context contains."""
    run = _run()
    (run.output_dir / "file").write_text("writable")
    payload = b"" if run.payload_path is None else run.payload_path.read_bytes()
    return {"attempt": run.attempt, "payload": sum(payload), "checkpoint_path": run.run_id}


def own_job(_config: Config) -> dict[str, str]:
    """Returns the id by which its job claimed the run."""
    return {"checkpoint_path": os.environ["TMGG_JOB_ID"]}


def fail(_config: Config) -> None:
    raise ValueError("the loss is purple: ünï")


def fail_at_first(_config: Config) -> dict[str, float]:
    """Fails at the first attempt; a retry completes."""
    if _run().attempt == 1:
        raise RuntimeError("the first time")
    return {"attempt": _run().attempt}


def leave(_config: Config) -> None:
    raise SystemExit(3)


def die(_config: Config) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def text(_config: Config) -> Any:
    """Returns a value that is not a valid result."""
    return "the loss went down nicely"


def import_absent(_config: Config) -> None:
    import a_module_that_is_not_installed  # type: ignore[import-not-found]

    a_module_that_is_not_installed.run()


def _run() -> RunContext:
    run = current_run()
    assert run is not None
    return run
