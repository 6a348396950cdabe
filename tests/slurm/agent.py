"""What a user's Python does at the login node: one call of a `SlurmRunner`, told in JSON.

`python agent.py REQUEST` prints one JSON object. It runs in a process of its own on purpose:
whoever asks about a run is never the process that submitted it.
"""

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tmgg.errors import TmggError
from tmgg.experiment_utils.cloud import SlurmConfig, SlurmRunner, SweepPolicy, TaskRequest
from tmgg.experiment_utils.cloud.slurm.client import SlurmClient


def main(request: dict[str, Any]) -> dict[str, Any]:
    client = SlurmClient(**request["client"])
    runner = SlurmRunner(SlurmConfig(**request["slurm"]), client=client)
    began = time.monotonic()
    reply: dict[str, Any] = {"answer": None, "error": None, "message": ""}
    try:
        reply["answer"] = plain(call(runner, request["verb"], request))
    except TmggError as error:
        reply |= {"error": type(error).__name__, "message": str(error)}
    return reply | {"seconds": time.monotonic() - began, "calls": client.calls}


def call(runner: SlurmRunner, verb: str, request: dict[str, Any]) -> object:
    run_id = request["run_id"]
    if verb == "spawn":
        return runner.spawn_experiment(request["config"], run_id=run_id, **request["options"])
    if verb == "run":
        return runner.run_experiment(request["config"], run_id=run_id, **request["options"])
    if verb in ("sweep", "spawn_sweep"):
        return sweep(runner, verb, request["configs"], request["options"])
    if verb == "state":
        return runner.poll([run_id])[0]
    if verb == "wait":
        return wait_for(runner, run_id, **request["options"])
    acts: dict[str, Callable[[str], object]] = {
        "status": runner.get_status,
        "result": runner.get_result,
        "cancel": runner.cancel,
        "retry": runner.retry,
    }
    return acts[verb](run_id)


def sweep(runner: SlurmRunner, verb: str, configs: list[Any], options: dict[str, Any]) -> object:
    """Configs are plain, or `{"run_id": ..., "config": ..., "title": ...}`."""
    asked = [TaskRequest(**each) if "config" in each else each for each in configs]
    if verb == "spawn_sweep":
        return runner.spawn_sweep(asked, **options)
    policy = options.pop("policy", None)
    return runner.run_sweep(
        asked, policy=None if policy is None else SweepPolicy(**policy), **options
    )


def wait_for(runner: SlurmRunner, run_id: str, *, wanted: dict[str, Any], timeout_s: float) -> Any:
    """The first state in which every field of `wanted` is as given, or the last one seen."""
    deadline = time.monotonic() + timeout_s
    while True:
        state = runner.poll([run_id])[0]
        fits = all(getattr(state, name) == value for name, value in wanted.items())
        if fits or state.final or time.monotonic() > deadline:
            return state
        time.sleep(0.2)


def plain(value: object) -> object:
    if isinstance(value, list):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1])), default=str))
