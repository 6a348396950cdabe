"""A node's warm parent as an object: any thread can give it a run and wait for the run's end.

If a warm parent dies, its runs end, too; the next run gets a new warm parent.
"""

import contextlib
import json
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from tmgg.experiment_utils.packed.run_order import Order

log = logging.getLogger(__name__)

_MODULE = "tmgg.experiment_utils.packed.fork_server"
# Imports take minutes if many nodes read one file system at the same time.
READY_WITHIN_S = 300.0
_END_WITHIN_S = 30.0


class WarmParentLostError(Exception):
    """The process that forks this node's runs has ended, and its runs with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Warmth:
    """The common settings of a batch's runs."""

    folder: str
    """Their working directory."""
    output_dir: str
    preload: tuple[str, ...]
    """Modules that they import."""
    python_options: tuple[str, ...] = ()
    """Options of the interpreter that they are forks of."""


class WarmParent:
    """Starts the warm parent's process at the first run, or at `warm_up`."""

    def __init__(self, warmth: Warmth, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._warmth = warmth
        self._lock = threading.Lock()
        self._process: _Process | None = None

    def warm_up(self) -> None:
        """Start the process if needed, and wait until it is ready."""
        self._ready_process()

    def run(self, order: Order) -> int:
        """Start a run and wait for its end; its keeper's exit code. Raises WarmParentLostError."""
        return self._ready_process().run(order)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the keepers of all runs."""
        with self._lock:
            process = self._process
        if process is not None:
            process.send({"signal": int(number)})

    def close(self) -> None:
        """Ask the runs to end and wait for them."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.close()

    def _ready_process(self) -> "_Process":
        with self._lock:
            if self._process is None or not self._process.alive:
                self._process = _Process(self._warmth, self._environment)
                if not self._process.wait_until_ready():
                    # An import ends its process, hangs, or starts CUDA. Without preloading, each
                    # run does its imports itself.
                    log.warning("preloading %s failed; runs start cold", self._warmth.preload)
                    self._warmth = replace(self._warmth, preload=())
                    self._process = _Process(self._warmth, self._environment)
                    self._process.wait_until_ready()
            return self._process


class _Process:
    def __init__(self, warmth: Warmth, environment: Mapping[str, str]) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, *warmth.python_options, "-u", "-m", _MODULE],
            env=dict(environment),
            cwd=warmth.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._open: dict[int, Future[int]] = {}
        self._number = 0
        self.alive = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.send({"preload": list(warmth.preload), "output_dir": warmth.output_dir})

    def wait_until_ready(self) -> bool:
        """Whether it became ready; False if it ended, or took too long and was killed."""
        if not self._ready.wait(READY_WITHIN_S):
            self._popen.kill()
            self._reader.join()
        return self.alive

    def run(self, order: Order) -> int:
        ended: Future[int] = Future()
        with self._lock:
            if not self.alive:
                raise WarmParentLostError("it ended before the run began")
            self._number += 1
            number = self._number
            self._open[number] = ended
        self.send({"run": number, "order": order.to_json()})
        return ended.result()

    def send(self, message: dict[str, Any]) -> None:
        assert self._popen.stdin is not None
        with self._lock:
            try:
                self._popen.stdin.write(json.dumps(message).encode() + b"\n")
                self._popen.stdin.flush()
            except (BrokenPipeError, ValueError):
                log.info("the warm parent is gone")  # the reader thread reports it to the callers

    def close(self) -> None:
        assert self._popen.stdin is not None
        with self._lock:
            self._popen.stdin.close()
        try:
            self._popen.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as answers:
            for line in answers:
                message = json.loads(line)
                if "ready" in message:
                    self._ready.set()
                else:
                    with self._lock:
                        ended = self._open.pop(message["ended"])
                    ended.set_result(message["code"])
        code = self._popen.wait()
        assert self._popen.stdin is not None
        with self._lock:
            self.alive = False
            with contextlib.suppress(BrokenPipeError):  # orders may still be in the buffer
                self._popen.stdin.close()
            lost = list(self._open.values())
            self._open.clear()
        self._ready.set()
        for each in lost:
            each.set_exception(WarmParentLostError(f"the warm parent ended with code {code}"))
