"""The supervisor of one packed run: a fork of the warm parent, which forks the run in turn.

So supervisor and run start within milliseconds. The steps are those of any run's supervisor
(`run_supervisor`).
"""

import os
import signal
from typing import NoReturn

from tmgg.experiment_utils.files.leaving import leave
from tmgg.experiment_utils.packed.run_order import Order
from tmgg.experiment_utils.packed.run_process import become_run
from tmgg.experiment_utils.supervisor import processes
from tmgg.experiment_utils.supervisor.claim_run import Start
from tmgg.experiment_utils.supervisor.run_end import Limits
from tmgg.experiment_utils.supervisor.run_supervisor import (
    become_supervisor,
    exit_code_of,
    supervise_run,
    take_logs,
)

RECORDED = 0
NOT_NEEDED = 3
"""Exit code: the run belongs to another job, or has ended before."""
OUT_OF_TIME = signal.SIGUSR1
"""The signal to a keeper that the allocation's time is nearly over."""


def be_keeper(order: Order, *, parent: int) -> NoReturn:
    """The main function of a process that the warm parent has just forked."""
    os._exit(exit_code_of(lambda: _keep(order, parent)))


def _keep(order: Order, parent: int) -> int:
    paths = order.paths
    limits = Limits(
        kill_after_s=order.kill_after_s,
        hard_limit_after_s=order.hard_limit_after_s,
        out_of_time=OUT_OF_TIME,
    )

    def start_process(start: Start) -> int:
        return _fork(order, start, limits)

    become_supervisor(limits)
    processes.end_with_parent(parent, signal.SIGKILL)
    os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
    run = paths.run_paths
    leave(lambda: take_logs(run), run.output_dir)
    start = Start(paths, order.job_id, order.restart, scope="run")
    return NOT_NEEDED if supervise_run(start, start_process, limits) is None else RECORDED


def _fork(order: Order, start: Start, limits: Limits) -> int:
    keeper, own = os.getpid(), start.environment
    child = os.fork()
    if child == 0:
        for number in limits.watched:
            signal.signal(number, signal.SIG_DFL)  # the warm parent had handlers
        signal.pthread_sigmask(signal.SIG_UNBLOCK, limits.watched)
        os._exit(exit_code_of(lambda: become_run(order, own, keeper=keeper)))
    return child
