"""The supervisor's one child, the rank's process: starts it, waits for its result, ends it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from tmgg.experiment_utils.files.atomic_file import JsonDict
from tmgg.experiment_utils.files.looking import is_there
from tmgg.experiment_utils.job import job_exit_codes
from tmgg.experiment_utils.ranks.options import RankOptions
from tmgg.experiment_utils.ray_cluster.children import Children
from tmgg.experiment_utils.ray_cluster.loop import Loop
from tmgg.experiment_utils.run_folder.attempt_log import line_end_before, render_mark
from tmgg.experiment_utils.supervisor import processes

KILL_AFTER_S = 3.0
"""Between SIGTERM and SIGKILL after another rank has failed; all ranks end within ten seconds."""
_LEAVE_WITHIN_S = 3.0
"""How long a failed rank may take to end; libraries may wait for other ranks at their exit."""
_SWEEP_TIMEOUT_S = 3.0
_MODULE = "tmgg.experiment_utils.ranks.process"
_GOOD = (job_exit_codes.COMPLETED, job_exit_codes.STOPPED)

OnEnd = Callable[[int, bool], None]


class RankProcess:
    """Calls `on_end(exit code, whether there is a result)` once.

    If the result is written and is no failure, it calls `on_return(exit code)` before that.
    """

    def __init__(
        self, options: RankOptions, loop: Loop, *, on_return: Callable[[int], None], on_end: OnEnd
    ) -> None:
        self._options = options
        self._loop = loop
        self._children = Children(loop)
        self._on_return = on_return
        self._on_end = on_end
        self._process: subprocess.Popen[bytes] | None = None
        self._reading = -1
        self._is_told = False

    def start(self, environment: Mapping[str, str], nodes: Sequence[JsonDict]) -> None:
        """Start the process. Raises OSError."""
        self._reading, writing = os.pipe()
        order = {
            "rank": self._options.rank.to_json(),
            "nodes": list(nodes),
            "supervisor": os.getpid(),
        }
        folder = str(self._options.paths.folder)
        python = [sys.executable, *self._options.python_options, "-u", "-m", _MODULE]
        with self._log() as log:
            self._process = self._children.spawn(
                [*python, str(writing), folder, json.dumps(order)],
                environment=environment,
                on_exit=self._ended,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                pass_fds=[writing],
            )
        os.close(writing)
        self._loop.watch(self._reading, self._hear)

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def end(self) -> None:
        """Send SIGTERM to it, and later SIGKILL to it and to all processes that it started."""
        self.signal(signal.SIGTERM)
        self._loop.after(KILL_AFTER_S, self._kill)

    def sweep(self) -> None:
        """Kill all processes that it has left, daemons included."""
        processes.kill_descendants(timeout_s=_SWEEP_TIMEOUT_S)

    def _log(self) -> contextlib.AbstractContextManager[IO[bytes] | None]:
        """Rank 0 prints into the run's logs (None), every other rank into a log of its own."""
        options = self._options
        if options.rank.rank == 0:
            return contextlib.nullcontext()
        log = options.paths.log.open("ab", buffering=0)
        mark = render_mark(
            options.paths.number, restart=options.restart, job_id=options.job_id, host=options.node
        )
        log.write(f"{line_end_before(log.fileno())}{mark}\n".encode())
        return log

    def _hear(self) -> None:
        """It has written its result and reports its exit code; only now is this passed on."""
        said = os.read(self._reading, 64).decode().strip()
        self._loop.unwatch(self._reading)
        if not said:
            return
        if int(said) in _GOOD:
            self._on_return(int(said))
            return
        self._tell(int(said))
        self._loop.after(_LEAVE_WITHIN_S, self._kill)

    def _ended(self, code: int) -> None:
        self._loop.unwatch(self._reading)
        self._process = None
        self._tell(code)

    def _tell(self, code: int) -> None:
        if not self._is_told:
            self._is_told = True
            self._on_end(code, is_there(self._options.paths.result))

    def _kill(self) -> None:
        for pid in processes.descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
