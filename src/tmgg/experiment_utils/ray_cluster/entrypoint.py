"""The experiment's process, which does the slow imports while Ray starts.

The head's supervisor runs it with the descriptor of a pipe and the job's folder. If a module and
arguments follow, the module's `main` is called in place of `execute_task`. From the pipe it reads
one JSON line, the variables to add to the environment. If the pipe ends without a line, it does not
run the experiment.
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
    # If Ray cannot be imported, the error is reported when Ray is used.
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
    from tmgg.experiment_utils.job.execute import execute_task  # a slow import, too

    return lambda: execute_task(folder)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
