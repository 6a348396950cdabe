"""The warm parent: it does the slow imports once and forks a keeper for every run.

`python -u -m tmgg.experiment_utils.packed.fork_server` reads orders as JSON lines from standard
input: `{"preload": [module, ...], "output_dir": path}` once, then `{"run": id, "order": {...}}` for
each run, and `{"signal": number}` for all runs. It answers on standard output: `{"ready": true}`,
then `{"ended": id, "code": n}` for each run. At the end of its input, or after SIGTERM, it asks all
runs to end, and ends when they have.

It has one thread and does not use CUDA, because neither other threads nor CUDA survive a fork.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tmgg.experiment_utils.identity.code_of_run import note_preloaded
from tmgg.experiment_utils.packed.keeper import be_keeper
from tmgg.experiment_utils.packed.run_order import Order
from tmgg.experiment_utils.packed.run_process import set_oom_score
from tmgg.experiment_utils.run_folder.batch_index import batched_runs
from tmgg.experiment_utils.supervisor import processes

COLD = 4
"""Exit code of a warm parent that cannot fork, because an import started CUDA."""


class Zygote:
    """Reads orders, forks keepers, reports their ends."""

    def __init__(self, orders: int, answers: int) -> None:
        self._orders = orders
        self._answers = answers
        self._unread = b""
        self._keepers: dict[int, Any] = {}
        self._closing = False
        self._woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, _note)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._orders, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def serve(self) -> int:
        """Serve until the input has ended and all runs have ended."""
        while not (self._closing and not self._keepers):
            for key, _events in self._selector.select():
                if key.fd == self._woken:
                    self._on_signals()
                else:
                    for message in self._read():
                        self._obey(message)
        return 0

    def _on_signals(self) -> None:
        numbers: Sequence[int] = ()
        with contextlib.suppress(BlockingIOError):
            numbers = os.read(self._woken, 512)
        for pid, code in processes.reap():
            if pid in self._keepers:
                self._tell({"ended": self._keepers.pop(pid), "code": code})
        if signal.SIGTERM in numbers:
            self._close()

    def _read(self) -> Iterator[dict[str, Any]]:
        data = os.read(self._orders, 1 << 16)
        if not data:
            self._selector.unregister(self._orders)
            self._close()
        *lines, self._unread = (self._unread + data).split(b"\n")
        yield from (json.loads(line) for line in lines)

    def _obey(self, message: dict[str, Any]) -> None:
        if "preload" in message:
            self._preload(message["preload"], Path(message["output_dir"]))
        elif "signal" in message:
            self._signal_keepers(message["signal"])
        elif not self._closing:
            self._fork(message["run"], Order.from_json(message["order"]))

    def _preload(self, modules: Sequence[str], output_dir: Path) -> None:
        preload(modules)
        batched_runs(output_dir)  # reads the batches once, because every keeper needs them
        if has_started_cuda():
            sys.stderr.write(
                "tmgg: an import starts CUDA; the runs of this job start cold. "
                "Do not touch the GPU at import.\n"
            )
            raise SystemExit(COLD)
        gc.freeze()  # so that the garbage collector does not copy memory shared with the runs
        self._tell({"ready": True})

    def _fork(self, name: Any, order: Order) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._leave_behind()
            be_keeper(order, parent=parent)
        self._keepers[pid] = name

    def _leave_behind(self) -> None:
        """In a keeper: close what only the warm parent needs."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for descriptor in (self._answers, self._woken):
            os.close(descriptor)

    def _signal_keepers(self, number: int) -> None:
        for pid in self._keepers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            self._signal_keepers(signal.SIGTERM)

    def _tell(self, message: dict[str, Any]) -> None:
        # The node agent may be gone; the runs are still ended in order.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._answers, json.dumps(message).encode() + b"\n")


def preload(modules: Sequence[str]) -> None:
    """Import the modules that the runs will import.

    If an import fails here, it fails in the run again, which reports it. If a module has a function
    `warm_up`, it is called, to load what else the runs will need.
    """
    sys.path.append(str(Path.cwd()))
    for name in modules:
        try:
            getattr(importlib.import_module(name), "warm_up", _nothing)()
        except BaseException:  # the job-side top level: the experiments' own code
            traceback.print_exc()
    note_preloaded()


def _nothing() -> None:
    """Used for modules without `warm_up`."""


def has_started_cuda() -> bool:
    """Whether this process has a GPU open, through any library."""
    held = []
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            held.append(str(Path(entry.path).readlink()))
    return any(name.startswith("/dev/nvidia") for name in held)


def _note(_number: int, _frame: object) -> None:
    """Does nothing: the wakeup pipe carries the signal's number, but a handler must exist."""


def main() -> int:
    set_oom_score("0")  # the parent is a Ray worker, which has a high score, and it is inherited
    answers = os.dup(1)
    # Output of imports must not come between the answers.
    os.dup2(2, 1)
    return Zygote(0, answers).serve()


if __name__ == "__main__":
    raise SystemExit(main())
