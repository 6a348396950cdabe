"""One call of a runner in its own process.

`python -m tmgg.testing.other_process BACKEND CALL ARGUMENT...`: all but CALL is JSON. It prints one
line of JSON.
"""

import dataclasses
import json
import sys
from collections.abc import Callable
from typing import Any

from tmgg.experiment_utils.cloud import CloudRunner, make_runner


def main(backend: str, call: str, *arguments: str) -> None:
    asked = json.loads(backend)
    runner = make_runner(asked["backend"], asked["options"])
    answer = _CALLS[call](runner, *(json.loads(argument) for argument in arguments))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def _spawn(runner: CloudRunner, config: dict[str, Any], run_id: str) -> str:
    return runner.spawn_experiment(config, run_id=run_id).run_id


def _status(runner: CloudRunner, run_id: str) -> str:
    return runner.get_status(run_id)


def _result(runner: CloudRunner, run_id: str) -> dict[str, Any]:
    return dataclasses.asdict(runner.get_result(run_id))


def _cancel(runner: CloudRunner, run_id: str) -> bool:
    return runner.cancel(run_id)


_CALLS: dict[str, Callable[..., Any]] = {
    "spawn": _spawn,
    "status": _status,
    "result": _result,
    "cancel": _cancel,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
