"""The experiment's process of one rank, started by its supervisor.

`python -m ... PIPE FOLDER RANK`: the number of a pipe into which goes the exit code once the result
is written, the submission's folder, and as JSON which rank this is and which machines take part.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence

from tmgg.experiment_utils.job.context import Rank, RunNode
from tmgg.experiment_utils.job.job_environment import ROOT_VARIABLE
from tmgg.experiment_utils.supervisor import processes


def main(arguments: Sequence[str]) -> int:
    pipe, folder, order = int(arguments[0]), arguments[1], json.loads(arguments[2])
    os.set_inheritable(pipe, False)
    processes.end_with_parent(order["supervisor"], signal.SIGKILL)
    from tmgg.experiment_utils.job.execute import execute_task  # slow: after the line above

    sys.argv = ["tmgg", folder]
    os.environ[ROOT_VARIABLE] = str(order["supervisor"])
    nodes = [RunNode(**node) for node in order["nodes"]]
    code = execute_task(folder, rank=Rank(**order["rank"]), nodes=nodes)
    # Ahead of the end, which can take long: libraries wait for ranks that are gone.
    os.write(pipe, f"{code}\n".encode())
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
