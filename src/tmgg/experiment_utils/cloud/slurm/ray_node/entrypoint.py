"""The experiment's process, with the slow imports done while Ray starts.

Run by the head's supervisor with a pipe's number and the submission's folder. The pipe brings, as
one JSON line, the variables to add to the environment; its end instead means not to run.
"""

import contextlib
import json
import os
import sys


def main(pipe: int, folder: str) -> int:
    from tmgg.experiment_utils.execute import execute_task

    with contextlib.suppress(Exception):  # a broken one is reported when it is used
        import ray  # noqa: F401 - needed soon
    with os.fdopen(pipe) as stream:
        line = stream.readline()
    if not line:
        return 0
    os.environ.update(json.loads(line))
    sys.argv = ["tmgg", folder]
    return execute_task(folder)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), sys.argv[2]))
