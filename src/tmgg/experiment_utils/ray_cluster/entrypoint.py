"""The experiment's process, with the slow imports done while Ray starts.

Run by the head's supervisor with a pipe's number and the job's folder; a module may follow, with
arguments, whose `main` is then called in place of `execute_task`. The pipe brings, as one JSON
line, the variables to add to the environment; its end instead means not to run.
"""

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence

from tmgg.experiment_utils.job.job_environment import noting_what_is_set


def main(pipe: int, folder: str, instead: Sequence[str]) -> int:
    run = _find(folder, instead)
    # A broken one is reported when it is used.
    with contextlib.suppress(Exception), noting_what_is_set():
        import ray  # noqa: F401 - needed soon
    with os.fdopen(pipe) as stream:
        line = stream.readline()
    if not line:
        return 0
    os.environ.update(json.loads(line))
    sys.argv = ["tmgg", folder]
    return run()


def _find(folder: str, instead: Sequence[str]) -> Callable[[], int]:
    if instead:
        module, *arguments = instead
        found = importlib.import_module(module)
        return lambda: int(found.main([folder, *arguments]))
    from tmgg.experiment_utils.job.execute import execute_task  # slow, as above

    return lambda: execute_task(folder)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
