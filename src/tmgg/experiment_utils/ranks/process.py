"""The experiment's process of one rank, started by its supervisor.

`python -m ... PIPE FOLDER ORDER`: PIPE is the descriptor of a pipe to which the process writes its
exit code when the result is written. FOLDER is the submission's folder. ORDER is JSON with the
rank, the machines of all ranks, and the supervisor's process id.
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
    from tmgg.experiment_utils.job.execute import execute_task  # slow, so after the line above

    sys.argv = ["tmgg", folder]
    os.environ[ROOT_VARIABLE] = str(order["supervisor"])
    nodes = [RunNode(**node) for node in order["nodes"]]
    code = execute_task(folder, rank=Rank(**order["rank"]), nodes=nodes)
    # Before the process ends, which can take long: libraries may wait for ranks that are gone.
    os.write(pipe, f"{code}\n".encode())
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
